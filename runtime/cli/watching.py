"""Following a run that goes on elsewhere until it has ended."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.live import Live

from runtime.cli.screen import output, say
from runtime.cli.standing import as_json, print_status, shown
from runtime.errors import ConfigError, RunMissing, RunSilent
from runtime.jobs.connection import answers, connected
from runtime.jobs.control import Status

if TYPE_CHECKING:
    from runtime.jobs.remote import RemoteRun

WATCH_SECONDS = 1.0

RETURN_SECONDS = 5.0
"""So long a run that is gone may take to come back, before it is said to have ended."""

Each = Callable[["RemoteRun", str, Status], None]
"""Told the run, the host:port of its Ray, and how it stands."""


def watch(run: str, address: str, *, json_: bool) -> None:
    """Show each second how a run stands, until it has ended or the user leaves (Ctrl-C).

    On a terminal the view is renewed in place, elsewhere one follows another.
    """
    try:
        if json_:
            follow(run, address, _write, WATCH_SECONDS)
            say(json.dumps(as_json(run, address, Status("ended"))))
            return
        if output.is_terminal:
            with Live(console=output, auto_refresh=False) as live:
                follow(run, address, lambda *told: _renew(live, *told), WATCH_SECONDS)
        else:
            follow(run, address, _print, WATCH_SECONDS)
        say(f"run {run!r} has ended")
    except KeyboardInterrupt:
        if not json_:
            say(f"left; run {run!r} goes on")


def follow(run: str, address: str, each: Each, pause: float) -> None:
    """Call `each` every `pause` seconds until the run has ended.

    A run whose supervisor died and is started again goes on. A supervisor that does not
    answer in time is asked again. When its Ray is gone, the run has ended. Raises `RunMissing`
    or `ConfigError` if it cannot be reached to begin with.
    """
    place = _life(run, address, each, pause)
    while _returns(place):
        try:
            _life(run, place, each, pause)
        except (RunMissing, ConfigError):
            return


def _write(remote: RemoteRun, place: str, status: Status) -> None:
    say(json.dumps(as_json(remote.run, place, status)))


def _print(remote: RemoteRun, place: str, status: Status) -> None:
    print_status(remote.run, place, status)
    say("")


def _renew(live: Live, remote: RemoteRun, place: str, status: Status) -> None:
    live.update(shown(remote.run, place, status), refresh=True)


def _life(run: str, address: str, each: Each, pause: float) -> str:
    """Follow one supervisor to its end; the connection is not kept for longer."""
    with connected(address) as place:
        from runtime.jobs.remote import find_run  # noqa: PLC0415 (imports Ray)

        remote = find_run(run)
        while True:
            try:
                each(remote, place, remote.status())
            except RunSilent:
                continue
            except RunMissing:
                return place
            time.sleep(pause)


def _returns(place: str) -> bool:
    """Whether the Ray stays for long enough to have the run's supervisor again."""
    until = time.monotonic() + RETURN_SECONDS
    while time.monotonic() < until:
        if not answers(place):
            return False
        time.sleep(0.2)
    return True
