"""What is sent to a cluster with a run: its config, and the feeds and modules beside it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from os.path import normpath
from pathlib import Path
from urllib.parse import parse_qsl
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from runtime.errors import ConfigError, FeedMissing
from runtime.jobs.beside import modules_beside
from runtime.jobs.config import PACKAGE, RunConfig, load_config, resolve_path
from runtime.jobs.planning import appoint
from runtime.store import is_address, shown
from runtime.store.opening import VARIABLE, names_password

UPLOAD_BYTES = 100 * 1024 * 1024
"""What Ray's dashboard takes in one request; all that is sent must be smaller, packed."""

_CHUNK = 1024 * 1024
_PACKED = (".parquet", ".gz")
_CERTIFICATES = {"tlscafile", "usercertfile", "userkeyfile"}


@dataclass(frozen=True, slots=True)
class Parcel:
    """The files of a run by the name they are sent under, and what it takes from the cluster.

    `config` is the name of the config among them.
    """

    run: str
    config: str
    files: Mapping[str, Path]
    there: tuple[str, ...]


def gather(path: str | Path, store: str | None = None) -> Parcel:
    """What the run of a config file needs on a cluster; `store` replaces the config's.

    Feeds with a relative path and modules beside the config are sent; paths that are absolute
    or begin with `~` or `package:` are the cluster's, and so is a server that holds the store.
    Raises `ConfigError` for a store, certificates or keys that are not the cluster's, for an
    address with a password, and what `load_config` and `appoint` raise.
    """
    config = load_config(path)
    file = resolve_path(str(path), Path())
    there = _kept_there(config, store)
    files = {file.name: file}
    for feed in tomllib.loads(file.read_text(encoding="utf-8"))["feeds"]:
        place = feed.get("path", "")
        if place and not _is_there(place):
            name, source = _feed_beside(config, feed["name"], place)
            files[name] = source
        elif place and not place.startswith(PACKAGE):
            there.append(place)
    named = {one.reference.partition(":")[0] for one in appoint(config)}
    agents = (one.agent or "" for one in config.agents)
    named |= {agent.partition(":")[0] for agent in agents if ":" in agent}
    files |= modules_beside(config.base, named)
    return Parcel(config.run.name, file.name, files, tuple(there))


def pack(parcel: Parcel, target: Path) -> None:
    """Write a zip file; the same files give the same bytes.

    Raises `ConfigError` as soon as it is larger than a cluster takes.
    """
    with ZipFile(target, "w") as archive:
        for name, source in sorted(parcel.files.items()):
            entry = ZipInfo(name)
            entry.external_attr = 0o644 << 16
            entry.compress_type = ZIP_STORED if name.endswith(_PACKED) else ZIP_DEFLATED
            with source.open("rb") as read, archive.open(entry, "w", force_zip64=True) as written:
                while chunk := read.read(_CHUNK):
                    written.write(chunk)
                    _check_size(parcel, target)
    _check_size(parcel, target)


def _check_size(parcel: Parcel, target: Path) -> None:
    if target.stat().st_size < UPLOAD_BYTES:
        return
    largest = max(parcel.files.values(), key=lambda file: file.stat().st_size)
    raise ConfigError(
        f"{largest} ({largest.stat().st_size / 2**20:,.0f} MiB) and what goes with it are more"
        f" than the {UPLOAD_BYTES // 2**20} MiB that Ray takes with a job: put it on the"
        " cluster's storage, and its absolute path there in the config"
    )


def _kept_there(config: RunConfig, store: str | None) -> list[str]:
    """The store and the keys, which are the cluster's own."""
    path = config.store.path if store is None else store
    if is_address(config.store.path):
        _check_secret(config.store.path)
    kept = _reached_there(path) if is_address(path) else [_found_there(path)]
    keys = config.keys
    if keys.demo:
        return kept
    for setting, value in (
        ("directory", keys.directory),
        ("passphrase_file", keys.passphrase_file),
    ):
        if value is None:
            continue
        if not _is_there(value):
            raise ConfigError(
                f"[keys] {setting} {value!r} is beside the config, and keys are never sent: put"
                " them on the cluster, and their absolute path there in the config"
            )
        kept.append(value)
    return kept


def _found_there(path: str) -> str:
    if _is_there(path):
        return path
    raise ConfigError(
        f"[store] path {path!r} would be gone with the job: give an absolute path on the"
        " cluster's head, there or with --store"
    )


def _reached_there(address: str) -> list[str]:
    """A server, which the cluster's head reaches, and the certificates that it needs for it."""
    _check_secret(address)
    files = [
        (option, path)
        for option, path in parse_qsl(address.partition("?")[2])
        if option.lower() in _CERTIFICATES
    ]
    for option, path in files:
        if not Path(path).is_absolute():
            raise ConfigError(
                f"[store] {option} {path!r} of {shown(address)} is not sent: give its absolute"
                " path on the cluster's head"
            )
    return [shown(address), *(path for _, path in files)]


def _check_secret(address: str) -> None:
    """Raise `ConfigError` for a password: Ray shows a job's command and keeps what is sent."""
    if names_password(address):
        raise ConfigError(
            f"[store] the address of {shown(address)} holds a password, which is never sent:"
            f" name the user alone, and set {VARIABLE} on the cluster's head where Ray is started"
        )


def _is_there(path: str) -> bool:
    return path.startswith(("/", "~", PACKAGE))


def _feed_beside(config: RunConfig, feed: str, path: str) -> tuple[str, Path]:
    name = normpath(path)
    source = config.base / name
    if name.startswith(".."):
        raise ConfigError(
            f"feed {feed!r} is at {path!r}, not beside the config: move it there, or give its"
            " absolute path on the cluster"
        )
    if not source.is_file():
        raise FeedMissing(f"there is no file {source}: check `path` of the feed {feed!r}")
    return name, source
