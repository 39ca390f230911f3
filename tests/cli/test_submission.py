"""A run is handed to a Ray cluster: what is sent, what is refused, and that it goes on there."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from subprocess import DEVNULL, Popen
from urllib.error import HTTPError
from urllib.request import urlopen
from zipfile import ZipFile

import pytest

from runtime.errors import ConfigError, FeedMissing
from runtime.jobs.parcel import UPLOAD_BYTES, gather, pack
from runtime.jobs.submission import Command
from tests.cli.conftest import Ended, Lucent, told
from tests.cli.going import DEADLINE, Going, environment, kill_tree, popen, write_long
from tests.support.waiting import until

THERE = "/var/lib/lucent/small.db"

STRATEGY = """
from dataclasses import dataclass
from runtime.deciding import Decision, Strategy
from {helper} import LEVEL

@dataclass(slots=True)
class State:
    count: int = 0

class Sent(Strategy[State]):
    name, version, inputs, State = "sent", "1", {{"rate": float}}, State

    def on_event(self, state, event):
        import later_{helper}
        if event.rate > LEVEL * later_{helper}.TIMES:
            return Decision("enter_position", 0.5, apr=event.rate)
"""


def own_strategy(directory: Path, name: str) -> Path:
    """A config with a strategy of its own, in three modules; one more is not needed."""
    helper = f"{name}_parts.levels"
    (directory / f"{name}_parts").mkdir()
    (directory / f"{name}_parts" / "__init__.py").write_text("from . import levels\n")
    (directory / f"{name}_parts" / "levels.py").write_text("LEVEL = 0.02\n")
    text = STRATEGY.format(helper=helper).replace(f"later_{helper}", f"{name}_later")
    (directory / f"{name}.py").write_text(text)
    (directory / f"{name}_later.py").write_text("import json\nTIMES = 2\n")
    (directory / f"test_{name}.py").write_text("")
    agent = f'name = "own"\nstrategy = "{name}:Sent"\nlistens = ["PoolRateObserved"]\n'
    config = directory / "small.toml"
    head, _, _ = config.read_text().partition('agent = "yield-scout"')
    config.write_text(head + agent)
    return config


def edit(config: Path, old: str, new: str) -> Path:
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    return config


def test_only_what_is_needed_is_sent(small: Path, tmp_path: Path, lucent: Lucent) -> None:
    own_strategy(tmp_path, "sending")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "own.key").write_text("secret")
    parcel = gather(small, THERE)
    assert (parcel.run, parcel.config, parcel.there) == ("small", "small.toml", (THERE,))
    assert set(parcel.files) == {
        "small.toml",
        "rates.parquet",
        "sending.py",
        "sending_later.py",
        "sending_parts/__init__.py",
        "sending_parts/levels.py",
    }


def test_what_is_on_the_cluster_is_not_sent(small: Path) -> None:
    edit(small, 'path = "rates.parquet"', 'path = "/data/rates.parquet"')
    edit(small, "demo = true", 'directory = "/etc/lucent/keys"')
    parcel = gather(small, THERE)
    assert set(parcel.files) == {"small.toml"}
    assert parcel.there == (THERE, "/etc/lucent/keys", "/data/rates.parquet")


def test_a_store_that_would_be_gone_is_refused(small: Path) -> None:
    with pytest.raises(ConfigError, match=r"'small\.db' would be gone with the job"):
        gather(small)


def test_a_server_is_reached_from_the_cluster(small: Path) -> None:
    place = "esdb://ada@db-1:2113,db-2:2113?tlsCaFile=/etc/lucent/ca.crt"
    assert gather(small, place).there == ("esdb://db-1:2113,db-2:2113", "/etc/lucent/ca.crt")
    edit(small, 'path = "small.db"', 'path = "esdb://db-1:2113?tls=false"')
    assert gather(small).there == ("esdb://db-1:2113",)


def test_certificates_of_a_server_that_are_not_the_clusters(small: Path) -> None:
    with pytest.raises(ConfigError, match=r"tlsCaFile 'ca\.crt' of esdb://db:2113 is not sent"):
        gather(small, "esdb://ada@db:2113?tlsCaFile=ca.crt")


@pytest.mark.parametrize("option", ["esdb://db:2113?tls=false", THERE, None])
def test_a_password_of_a_store_is_never_sent(option: str | None, small: Path) -> None:
    edit(small, 'path = "small.db"', 'path = "esdb://ada:hidden@db:2113"')
    with pytest.raises(ConfigError, match="LUCENT_STORE_PASSWORD") as refused:
        gather(small, option)
    assert "hidden" not in str(refused.value)


def test_a_password_in_the_command_is_never_sent(small: Path) -> None:
    with pytest.raises(ConfigError, match="holds a password") as refused:
        gather(small, "esdb://ada:hidden@db:2113?tls=false")
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("keys", ['directory = "keys"', "", 'directory = "../keys"'])
def test_keys_are_never_sent(keys: str, small: Path) -> None:
    edit(small, "demo = true", keys)
    with pytest.raises(ConfigError, match="keys are never sent"):
        gather(small, THERE)


def test_a_passphrase_is_never_sent(small: Path) -> None:
    edit(small, "demo = true", 'directory = "/etc/keys"\npassphrase_file = "passphrase"')
    with pytest.raises(ConfigError, match="'passphrase' is beside the config"):
        gather(small, THERE)


def test_feeds_that_are_not_beside_the_config(small: Path) -> None:
    edit(small, 'path = "rates.parquet"', 'path = "below/../../rates.parquet"')
    with pytest.raises(ConfigError, match="feed 'rates' is at"):
        gather(small, THERE)
    edit(small, "below/../../rates.parquet", "none.parquet")
    with pytest.raises(FeedMissing, match=r"none\.parquet"):
        gather(small, THERE)


def test_the_same_files_make_the_same_parcel(small: Path, tmp_path: Path) -> None:
    archives = [tmp_path / "one.zip", tmp_path / "two.zip"]
    for archive in archives:
        os.utime(small, (0, archive.name == "one.zip"))
        pack(gather(small, THERE), archive)
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with ZipFile(archives[0]) as opened:
        assert opened.read("small.toml") == small.read_bytes()
        assert opened.read("rates.parquet") == (tmp_path / "rates.parquet").read_bytes()


def test_what_is_too_large_for_ray_is_refused(small: Path, tmp_path: Path) -> None:
    os.truncate(tmp_path / "rates.parquet", UPLOAD_BYTES)
    with pytest.raises(ConfigError, match=r"rates\.parquet \(100 MiB\).*on the cluster's storage"):
        pack(gather(small, THERE), tmp_path / "parcel.zip")


def test_the_limit_is_that_of_the_dashboard() -> None:
    from ray._private.ray_constants import DASHBOARD_CLIENT_MAX_SIZE  # noqa: PLC0415

    assert UPLOAD_BYTES == DASHBOARD_CLIENT_MAX_SIZE


def test_the_command_is_quoted() -> None:
    command = Command("~/lucent/bin/lucent", "/data/a b.db", 8)
    assert command.line("a b.toml") == (
        "~/lucent/bin/lucent run 'a b.toml' --shell ray --address auto"
        " --store '/data/a b.db' --hosts 8"
    )


@pytest.mark.parametrize("address", ["auto", "127.0.0.1:8265", "ray://head:10001", "http://"])
def test_what_is_no_dashboard(address: str, small: Path, lucent: Lucent) -> None:
    ended = lucent("submit", small.name, "--store", THERE, "--address", address)
    assert "is not like http://HEAD:8265" in told(ended)


def test_without_the_job_client_it_says_what_to_install(small: Path, lucent: Lucent) -> None:
    if find_spec("aiohttp") is not None:
        pytest.skip("Ray's job client is installed")
    ended = lucent("submit", small.name, "--store", THERE, "--address", "http://127.0.0.1:1")
    assert "pip install 'ray[default]==" in told(ended)


def free_ports(count: int) -> list[int]:
    with ExitStack() as kept:
        taken = [kept.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


class Head:
    """A Ray head with its dashboard, on ports of its own; its commands have its token."""

    def __init__(self, directory: Path) -> None:
        self.env = environment(directory)
        gcs, dashboard, client, agent, *workers = free_ports(44)
        self.url = f"http://127.0.0.1:{dashboard}"
        ray = [sys.executable, "-c", "from ray.scripts.scripts import main; main()"]
        token = [*ray, "get-auth-token", "--generate"]
        subprocess.run(token, env=self.env, check=True, stdout=DEVNULL, stderr=DEVNULL)
        self._temporary = Path("/tmp") / f"lucent-{os.getpid()}"  # Ray's sockets: a short path
        start = [
            "start", "--head", "--block", "--num-cpus=3", "--disable-usage-stats",
            f"--port={gcs}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}",
            f"--dashboard-agent-listen-port={agent}", "--dashboard-host=127.0.0.1",
            f"--worker-port-list={','.join(map(str, workers))}", f"--temp-dir={self._temporary}",
        ]  # fmt: skip
        self._log = directory / "head.out"
        with self._log.open("wb") as log:
            self.process = Popen([*ray, *start], env=self.env, stdout=log, stderr=log, text=True)
        self._gcs = f"127.0.0.1:{gcs}"

    def is_up(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        try:
            with urlopen(f"{self.url}/api/version"):
                return True
        except HTTPError as error:
            return error.code == HTTPStatus.UNAUTHORIZED
        except OSError:
            return False

    def going(self, directory: Path) -> Going:
        """What is done in a directory."""
        return Going(self.process, directory, self.env, self._gcs)

    def submit(self, directory: Path, config: str, *options: str) -> Popen[str]:
        """Hand a config in, with a store in the same directory."""
        program = f"{sys.executable} -m runtime.cli"
        arguments = ("--store", str(directory / "there.db"), "--program", program, *options)
        return popen(directory, self.env, "submit", config, "--address", self.url, *arguments)

    def close(self) -> None:
        kill_tree(self.process.pid)
        self.process.wait()
        shutil.rmtree(self._temporary, ignore_errors=True)


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    pytest.importorskip("aiohttp", reason="needs Ray's dashboard: pip install 'ray[default]'")
    started = Head(tmp_path_factory.mktemp("head"))
    try:
        until(started.is_up, "the dashboard does not come up")
        yield started
    finally:
        started.close()


def ended(process: Popen[str]) -> Ended:
    out, err = process.communicate(timeout=DEADLINE)
    return Ended(process.returncode, out, err)


@pytest.mark.ray
def test_a_run_on_a_cluster_comes_to_the_same_root(
    head: Head, small: Path, tmp_path: Path, lucent: Lucent
) -> None:
    own_strategy(tmp_path, "handed")
    first = ended(head.submit(tmp_path, small.name, "--wait"))
    assert (first.code, first.err) == (0, "")
    assert "as lucent-small-1: handed.py, handed_later.py, handed_parts/__init__.py" in first.out
    assert first.root == lucent("run", small.name).root
    again = ended(head.submit(tmp_path, small.name, "--wait"))
    assert again.root == first.root
    assert "Nothing was read: the log holds the whole run already." in again.out


@pytest.mark.ray
def test_a_run_is_handed_in_once_and_again_to_resume(head: Head, tmp_path: Path) -> None:
    write_long(tmp_path)
    going = head.going(tmp_path)
    first = ended(head.submit(tmp_path, "long.toml"))
    assert (first.code, first.err) == (0, "")
    assert "lucent status long" in first.out
    until(lambda: going.phase == "running", "the run does not go on")
    second = told(ended(head.submit(tmp_path, "long.toml")))
    assert "RunConflict: run 'long' goes on already, as job lucent-long-1" in second
    assert going.lucent("stop", "long").code == 0
    assert going.bare("verify", "there.db").code == 0
    waiting = head.submit(tmp_path, "long.toml", "--wait")
    until(lambda: waiting.poll() is not None or going.phase == "running", "it does not resume")
    assert going.lucent("stop", "long").code == 0
    resumed = ended(waiting)
    assert (resumed.code, resumed.err) == (130, "")
    assert "the run is not complete" in resumed.out
    assert going.bare("verify", "there.db").code == 0


@pytest.mark.ray
def test_a_head_without_the_command(head: Head, small: Path, tmp_path: Path) -> None:
    missing = ended(head.submit(tmp_path, small.name, "--program", "/nowhere/lucent", "--wait"))
    assert "say with --program where it is" in told(missing)


@pytest.mark.ray
def test_a_cluster_that_wants_a_token(head: Head, small: Path, tmp_path: Path) -> None:
    env = {**head.env, "HOME": str(tmp_path), "RAY_AUTH_MODE": "disabled"}
    arguments = ("submit", small.name, "--store", THERE, "--address", head.url)
    assert "set RAY_AUTH_MODE=token" in told(ended(popen(tmp_path, env, *arguments)))
