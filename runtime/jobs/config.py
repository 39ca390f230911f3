"""The config of a run: what a user writes in TOML."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    ByteSize,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from runtime.engine.autoscaler import ScalingPolicy
from runtime.engine.credit import CreditLimits
from runtime.engine.roster import Pooling
from runtime.errors import ConfigError
from runtime.events import NAME
from runtime.feeds import TapeSpec
from runtime.jobs.mistakes import told_mistakes
from runtime.settings import Section
from runtime.store import is_address

PACKAGE = "package:"
"""Begins a path inside an installed package: `package:agents.samples/aave-v3-daily/x.parquet`."""


def resolve_path(path: str, base: Path) -> Path:
    """The file a config names: inside a package, absolute, or relative to the config.

    Raises `ConfigError`.

    >>> resolve_path("rates.parquet", Path("/data")).as_posix()
    '/data/rates.parquet'
    """
    if "\0" in path:
        raise ConfigError(f"{path!r} is not a path")
    if path.startswith(PACKAGE):
        package, _, rest = path.removeprefix(PACKAGE).partition("/")
        try:
            return Path(str(files(package).joinpath(rest)))
        except (ImportError, TypeError, ValueError):
            raise ConfigError(f"{path!r}: there is no package {package!r}") from None
    return base / Path(path).expanduser()


class RunSection(Section):
    """`[run]`: the name of the run, and every how many events its state is snapshotted.

    With a `signing_block` above 1, decisions of a stream on so many positions of the input
    share one signature, each with a proof of its own: cheaper to sign and to verify, but
    they are stored only when the block is complete. For history, not for live feeds.

    With a `pace` the feeds are played at their own times, so many times as fast: 3600 is an
    hour of history a second. Without, they are read as fast as they are decided on. `replay`
    names the store of an earlier run of the same feeds and agents: what that run dropped of
    its feeds, and nothing else, is dropped again, and they are not played at a `pace`.
    """

    name: str
    snapshot_events: int = Field(100_000, ge=1)
    signing_block: int = Field(1, ge=1, le=65_536)
    pace: float | None = Field(None, gt=0.0, allow_inf_nan=False)
    replay: str | None = None

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        return _checked_name(name)

    @classmethod
    def title(cls) -> str:
        return "[run]"


class StoreConfig(Section):
    """`[store]`: where the log is: the path of a file, or the address of a KurrentDB.

    `store = "events.db"` is short for it. An address is a connection string of
    EventStoreDB: `esdb://user:password@db-1:2113,db-2:2113?tlsCaFile=ca.crt`.
    """

    path: str


class KeysConfig(Section):
    """`[keys]`: a directory of keys and the file their passphrase is in, or demo keys.

    Without `passphrase_file` the passphrase is taken from LUCENT_PASSPHRASE.
    """

    directory: str = "keys"
    passphrase_file: str | None = None
    demo: bool = False


class HostsConfig(Section):
    """`[hosts]`: how many, and in what shell: `ray` (a process each) or `local`.

    `address` names a Ray cluster to join; without it Ray is started on this machine. Of the
    `ray` shell: `spares` more hosts wait to take over from one that dies; one that works on
    one batch for longer than `deadline` seconds is ended and replaced; one that is not
    there after `grace` seconds is left out until it comes.
    """

    count: int = Field(2, ge=1, le=4096)
    shell: Literal["ray", "local"] = "ray"
    address: str | None = None
    spares: int = Field(0, ge=0, le=64)
    deadline: float = Field(120.0, gt=0.0, allow_inf_nan=False)
    grace: float = Field(10.0, ge=0.0, allow_inf_nan=False)

    def pooling(self) -> Pooling:
        """What the engine works with; hosts of the `local` shell cannot be lost."""
        if self.shell == "local":
            return Pooling(self.count)
        return Pooling(self.count, self.spares, self.deadline, self.grace)


class AutoscaleConfig(Section):
    """`[autoscale]`: how many hosts there are to be follows how much of its credit a run uses.

    At least `least`, at most `most`; above `high` for `up_after` seconds half as many more,
    below `low` for `down_after` seconds one less.
    """

    least: int = Field(1, ge=1, le=4096)
    most: int = Field(ge=1, le=4096)
    high: float = Field(0.8, gt=0.0, le=1.0)
    low: float = Field(0.2, ge=0.0, lt=1.0)
    up_after: float = Field(5.0, ge=0.0, allow_inf_nan=False)
    down_after: float = Field(60.0, ge=0.0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        try:
            self.policy()
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return self

    def policy(self) -> ScalingPolicy:
        """What the engine works with."""
        return ScalingPolicy(**self.model_dump())


class CreditConfig(Section):
    """`[credit]`: unfinished events and bytes of a stage, and events in one batch."""

    events: int = Field(65_536, ge=1)
    bytes: ByteSize = Field(ByteSize(64 * 1024 * 1024), ge=1)
    batch: int = Field(8_192, ge=1)

    def limits(self) -> CreditLimits:
        """The limits the engine works with."""
        return CreditLimits(self.events, int(self.bytes), self.batch)


class AgentConfig(Section):
    """`[[agents]]`: a registered agent, perhaps with other parameters, or one made here.

    `agent` is a registered name or `module:NAME`; without it `name`, `strategy` and
    `listens` are needed. `form = "event"` drives a strategy event by event even where it has
    a window form; what it decides is the same.
    """

    agent: str | None = None
    name: str | None = None
    strategy: str | None = None
    listens: tuple[str, ...] | None = None
    key: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    select: dict[str, tuple[str, ...]] | None = None
    form: Literal["window", "event"] = "window"

    @classmethod
    def title(cls) -> str:
        return "[[agents]]"


class RunConfig(Section):
    """A whole config."""

    run: RunSection
    store: StoreConfig
    keys: KeysConfig = KeysConfig()
    hosts: HostsConfig = HostsConfig()
    autoscale: AutoscaleConfig | None = None
    credit: CreditConfig = CreditConfig()
    feeds: tuple[TapeSpec, ...] = Field(min_length=1)
    agents: tuple[AgentConfig, ...] = Field(min_length=1)
    _base: Path = PrivateAttr(Path())

    @classmethod
    def title(cls) -> str:
        return "the config"

    @model_validator(mode="after")
    def _blocks_fit(self) -> Self:
        block, credit = self.run.signing_block, self.credit
        if block > min(credit.batch, credit.events):
            raise ValueError(
                f"[run] signing_block = {block} is more than a batch holds: set [credit] batch"
                " and events to as many at least"
            )
        return self

    @model_validator(mode="after")
    def _dropping_fits(self) -> Self:
        run = self.run
        lossy = [feed.name for feed in self.feeds if feed.overload != "block"]
        if run.signing_block > 1 and (run.pace is not None or lossy):
            raise ValueError(
                "[run] signing_block is for history: leave it out with a pace, and with feeds"
                f" that conflate or reject{': ' * bool(lossy)}{', '.join(lossy)}"
            )
        return self

    @property
    def lossy(self) -> bool:
        """Whether rows of feeds may be dropped."""
        return any(feed.overload != "block" for feed in self.feeds)

    @property
    def base(self) -> Path:
        """The directory relative paths start from."""
        return self._base

    @field_validator("store", mode="before")
    @classmethod
    def _named_alone(cls, store: object) -> object:
        return {"path": store} if isinstance(store, str) else store

    @field_validator("feeds")
    @classmethod
    def _feeds_differ(cls, feeds: tuple[TapeSpec, ...]) -> tuple[TapeSpec, ...]:
        names = [feed.name for feed in feeds]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"two feeds are named {min(twice)!r}")
        return feeds

    @property
    def store_place(self) -> str | Path:
        """The store's file, or its address."""
        return self._place(self.store.path)

    @property
    def replay_place(self) -> str | Path | None:
        """The store whose run is replayed."""
        return None if self.run.replay is None else self._place(self.run.replay)

    def _place(self, store: str) -> str | Path:
        return store if is_address(store) else resolve_path(store, self.base)

    def changed(self, section: str, **values: Any) -> RunConfig:
        """This config with some values of a section replaced (those that are not None).

        Raises `ConfigError`.
        """
        known = {name: value for name, value in values.items() if value is not None}
        part = getattr(self, section)
        data = part.model_dump() | known
        try:
            return self.model_copy(update={section: type(part)(**data)})
        except ValidationError as error:
            raise ConfigError(told_mistakes(error, section)) from None


def load_config(path: str | Path) -> RunConfig:
    """Read a config file (TOML 1.0).

    Raises `ConfigError` naming the file and each setting that is wrong; for an unknown one
    it offers the nearest.
    """
    file = resolve_path(str(path), Path())
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read config {file}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"config {file} is not TOML: {error}") from None
    try:
        return parse_config(data, file.parent)
    except ConfigError as error:
        raise ConfigError(f"config {file}: {error}") from None


def parse_config(data: dict[str, Any], base: Path) -> RunConfig:
    """A config from a mapping; relative paths start from `base`, and feeds' become absolute.

    Raises `ConfigError`.
    """
    try:
        config = RunConfig(**data)
    except ValidationError as error:
        raise ConfigError(told_mistakes(error)) from None
    feeds = [
        feed.model_copy(update={"path": str(resolve_path(feed.path, base).absolute())})
        for feed in config.feeds
    ]
    placed = config.model_copy(update={"feeds": tuple(feeds)})
    placed._base = base  # noqa: SLF001 (of the class in this module)
    return placed


def _checked_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a name: use letters, digits, '.', '-', '_'")
    return name
