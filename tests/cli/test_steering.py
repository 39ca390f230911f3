"""A run that goes on is watched and steered from other processes."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.cli.screen import output
from runtime.cli.standing import MOST_HOSTS, as_json, shown
from runtime.engine.statistics import HostStats
from runtime.jobs.control import Status
from tests.cli.conftest import Ended, Lucent, told
from tests.cli.going import DEADLINE, Going, environment, popen, write_long
from tests.support.waiting import until


@pytest.fixture(scope="module")
def going(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Going]:
    """A run of minutes, on a Ray that it started itself."""
    directory = tmp_path_factory.mktemp("long")
    write_long(directory)
    started = Going.start(directory)
    yield started
    started.kill()


@pytest.mark.ray
def test_status_tells_how_a_run_stands(going: Going) -> None:
    status = going.status()
    assert list(status) == [
        "run",
        "address",
        "phase",
        "hosts",
        "stages",
        "quarantine",
        "upgrade",
        "notes",
    ]
    assert (status["run"], status["address"]) == ("long", going.address)
    (first, second) = status["hosts"]
    assert set(first) == {"host", "slot", "place", "state", "groups", "work", "answered"}
    assert {first["state"], second["state"]} == {"ready"}
    assert first["groups"] + second["groups"] == 256
    (stage,) = status["stages"]
    assert set(stage) == {
        "stage", "events", "decisions", "rate", "latency", "position", "finished", "credit",
        "retained", "batches", "snapshots", "again", "parked", "lost",
        "waiting", "conflated", "rejected",
    }  # fmt: skip
    assert stage["stage"] == "yield-scout"
    assert 0 < stage["position"] <= stage["events"]
    assert not stage["finished"]
    assert 0 < stage["credit"]["peak_events"] <= 512
    assert 0 < stage["latency"]["p50"] <= stage["latency"]["p90"] <= stage["latency"]["p99"]
    assert (stage["batches"]["smallest"], stage["batches"]["largest"]) == (64, 64)
    assert stage["lost"] == 0
    assert 0 <= stage["again"] <= stage["events"], "a host that comes late takes key groups over"


@pytest.mark.ray
def test_status_shows_it_to_people(going: Going) -> None:
    shows = going.lucent("status", "long")
    assert shows.out.startswith(f"run long on Ray at {going.address}: running\n")
    for row in ("Hosts: 2 ready", "yield-scout", "latency p99"):
        assert row in shows.out
    (used,) = re.findall(r"credit used \(peak\) +\d+ \((\d+)\)", shows.out)
    assert 0 < int(used) <= 512
    assert (shows.code, shows.err) == (0, "")
    listed = going.lucent("status")
    assert any(line.split()[:3] == ["long", "running", "2"] for line in listed.out.splitlines())
    assert [run["run"] for run in json.loads(going.lucent("status", "--json").out)["runs"]] == [
        "long"
    ]


@pytest.mark.ray
def test_a_run_is_found_without_an_address(going: Going) -> None:
    env = {name: value for name, value in going.env.items() if name != "RAY_AUTH_MODE"}
    found = Going(going.process, going.directory, env).bare("status", "long", "--json")
    if found.code:
        assert "several Rays run on this machine: name one with --address" in told(found)
        assert going.address in found.err
    else:
        assert json.loads(found.out)["address"] == going.address


@pytest.mark.ray
def test_a_drained_run_takes_nothing_in_until_it_is_resumed(going: Going) -> None:
    assert "lucent resume long" in going.lucent("drain", "long").out
    until(lambda: going.phase == "drained", "the run does not drain")
    before = going.status()["stages"][0]["events"]
    (stage,) = going.status()["stages"]
    assert stage["events"] == before
    assert stage["credit"]["events"] == 0
    assert going.lucent("resume", "long").code == 0
    until(lambda: going.status()["stages"][0]["events"] > before, "it takes nothing in")
    assert going.phase == "running"


@pytest.mark.ray
def test_a_run_is_given_other_hosts(going: Going) -> None:
    def ready() -> int:
        return sum(host["state"] == "ready" for host in going.status()["hosts"])

    asked = going.lucent("scale", "long", "--hosts", "3")
    assert "is to have 3 hosts" in asked.out
    until(lambda: ready() == 3, "the third host does not come")
    assert "this Ray has 4 now" in going.lucent("scale", "long", "--hosts", "5").out
    going.lucent("scale", "long", "--hosts", "1")
    until(lambda: len(going.status()["hosts"]) == 1, "hosts do not leave")


@pytest.mark.ray
def test_a_run_that_is_not_there(going: Going) -> None:
    for command in (["status"], ["status", "--watch"], ["drain"], ["stop"], ["resume"]):
        missing = told(going.lucent(command[0], "short", *command[1:]))
        assert missing.startswith("RunMissing: run 'short' is not going on")
        assert "(going on: long)" in missing


@pytest.mark.ray
def test_a_ray_that_wants_a_token(going: Going, tmp_path: Path) -> None:
    env = {**going.env, "HOME": str(tmp_path), "RAY_AUTH_MODE": "disabled"}
    refused = Going(going.process, tmp_path, env, going.address).lucent("status", "long")
    assert "set RAY_AUTH_MODE=token" in told(refused)


@pytest.mark.ray
def test_ctrl_c_leaves_a_watched_run_as_it_is(going: Going) -> None:
    master, slave = pty.openpty()
    command = ("status", "long", "--watch", "--address", going.address)
    watcher = subprocess.Popen(
        [sys.executable, "-m", "runtime.cli", *command],
        stdout=slave,
        stderr=slave,
        env=going.env | {"TERM": "xterm"},
    )
    os.close(slave)
    shown = read_until(master, b"yield-scout", times=3)
    watcher.send_signal(signal.SIGINT)
    shown += read_until(master, b"goes on", times=1)
    os.close(master)
    assert watcher.wait(DEADLINE) == 0
    assert b"\x1b[1A" in shown, "it is not renewed in place"
    assert going.phase == "running"


def read_until(terminal: int, text: bytes, times: int) -> bytes:
    """What a terminal shows until a text was there so often."""
    seen = b""
    while seen.count(text) < times and select.select([terminal], [], [], DEADLINE)[0]:
        try:
            seen += os.read(terminal, 65536)
        except OSError:
            break
    assert seen.count(text) >= times, seen
    return seen


@pytest.mark.ray
def test_a_watcher_stays_when_the_supervisor_dies_and_ends_with_the_run(tmp_path: Path) -> None:
    write_long(tmp_path)
    going = Going.start(tmp_path)
    try:
        where = ("--address", going.address)
        watcher = popen(tmp_path, going.env, "status", "long", "--watch", "--json", *where)
        assert watcher.stdout is not None
        assert json.loads(watcher.stdout.readline())["phase"] == "running"
        (supervisor,) = [
            one for one in going.children() if "SupervisorActor" in "".join(one.cmdline())
        ]
        supervisor.kill()
        until(lambda: going.phase == "running", "the supervisor is not started again")
        assert watcher.poll() is None, "the watcher left too early"
        stopped = going.lucent("stop", "long")
        assert (stopped.code, stopped.err) == (0, "")
        assert "lucent run CONFIG" in stopped.out
        run = going.end()
        assert run.code == 130, run
        assert "the run is not complete" in run.out
        rest, errors = watcher.communicate(timeout=DEADLINE)
        assert (watcher.returncode, errors) == (0, "")
        phases = [json.loads(line)["phase"] for line in rest.splitlines()]
        assert phases[-1] == "ended"
        assert going.bare("verify", "long.db").code == 0
    finally:
        going.kill()


def test_nobody_answers(lucent: Lucent) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for command in ("status", "stop"):
            ended = lucent(command, "long", "--address", address)
            assert f"no Ray answers at {address}" in told(ended)


@pytest.mark.parametrize("address", ["local", "http://127.0.0.1:8265", "ray://head:10001", ":1"])
def test_what_is_no_address_starts_no_ray(address: str, lucent: Lucent) -> None:
    assert "is not like HOST:PORT" in told(lucent("status", "--address", address))


def test_no_ray_on_this_machine(tmp_path: Path) -> None:
    alone = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("no processes can be hidden here, and one may be a Ray")
    process = subprocess.run(
        [*alone, sys.executable, "-m", "runtime.cli", "status"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    missing = told(Ended(process.returncode, process.stdout, process.stderr))
    assert missing.startswith("RunMissing: no Ray runs on this machine")
    assert "lucent run CONFIG" in missing


@pytest.mark.parametrize("hosts", ["0", "4097", "some"])
def test_so_many_hosts_cannot_be(hosts: str, lucent: Lucent) -> None:
    assert lucent("scale", "long", "--hosts", hosts).code == 2


def test_watching_needs_a_run(lucent: Lucent) -> None:
    assert "--watch needs the name of a run" in told(lucent("status", "--watch"))


def test_of_many_hosts_those_not_ready_are_listed(capfd: pytest.CaptureFixture[str]) -> None:
    hosts = [
        HostStats(number, number, f"10.0.0.{number}:1", "ready", 1, 0, 0) for number in range(98)
    ]
    hosts += [HostStats(98, 98, "", "starting", 0, 0, 0), HostStats(99, -1, "", "spare", 0, 0, 0)]
    status = Status("running", {}, hosts)
    output.print(shown("wide", "10.0.0.1:6379", status))
    lines = capfd.readouterr().out.splitlines()
    assert "Hosts: 98 ready, 1 starting, 1 spare; 16 of them" in "\n".join(lines)
    rows = [
        line for line in lines if " ready " in line or "starting  " in line or "spare  " in line
    ]
    assert len(rows) == MOST_HOSTS
    assert rows[-1].startswith("99")
    assert len(as_json("wide", "10.0.0.1:6379", status)["hosts"]) == 100
