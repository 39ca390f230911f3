"""Law 4 with shared signatures: the stored bytes depend on the input and its blocks alone."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from runtime.engine.blocks import block_end
from runtime.errors import ConfigError
from runtime.events.metadata import SIGNATURE_BYTES
from runtime.identity import recorded_message
from runtime.jobs.launch import run
from runtime.jobs.verification import verify_store
from runtime.store import SqliteStore
from tests.laws.study import arithmetic
from tests.support.jobs import run_until

BLOCK = 2_000
LARGE = {"batch": 2_000, "events": 8_000}


def stored_bytes(store: Path) -> dict[str, str]:
    """A digest of all stored bytes of each decision stream."""
    with SqliteStore.open(store, writer=False) as opened:
        return {
            name: sha256(
                b"".join(event.data + event.metadata for event in opened.read_stream(name))
            ).hexdigest()
            for name in opened.streams("agent-")
        }


def blocked(folder: Path, name: str, **changes: Any) -> Any:
    changes = {"credit": LARGE, "signing_block": BLOCK, **changes}
    return arithmetic(folder / name, **changes)


def test_hosts_credit_and_restarts_leave_no_trace_in_the_stored_bytes(tmp_path: Path) -> None:
    whole = run(blocked(tmp_path, "whole.db", hosts=1))
    expected = stored_bytes(whole.store)
    many = run(blocked(tmp_path, "many.db", hosts=5, credit={"batch": 9_000, "events": 60_000}))
    assert stored_bytes(many.store) == expected
    stopped = blocked(tmp_path, "stopped.db", snapshot_events=3_000)
    for parts in (3, 9):
        assert not run_until(stopped, parts).completed
    assert stored_bytes(run(stopped).store) == expected
    assert verify_store(whole.store).damages == ()


def test_several_decisions_share_a_signature(tmp_path: Path) -> None:
    outcome = run(blocked(tmp_path, "log.db"))
    with SqliteStore.open(outcome.store, writer=False) as store:
        events = [event for name in store.streams("agent-") for event in store.read_stream(name)]
    signatures = [recorded_message(event)[1] for event in events]
    assert len({one[:SIGNATURE_BYTES] for one in signatures}) < len(events) / 2
    assert any(len(one) > SIGNATURE_BYTES for one in signatures)


@pytest.mark.parametrize("credit", [{"batch": 1_999, "events": 8_000}, {"batch": 99, "events": 99}])
def test_a_block_must_fit_into_a_batch(tmp_path: Path, credit: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="signing_block = 2000 is more than a batch holds"):
        blocked(tmp_path, "log.db", credit=credit)


def test_a_block_ends_at_a_multiple() -> None:
    assert [block_end(at, 7) for at in (0, 6, 7, 13)] == [7, 7, 14, 14]
