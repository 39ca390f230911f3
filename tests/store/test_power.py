"""Power cuts, and the syncs that make an answer outlive one."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.store import SqliteStore
from tests.store import children
from tests.store.power import Disk, calls, can_trace, trace
from tests.store.samples import stored_transactions
from tests.support.seeds import seeded

TRANSACTIONS = 40
CUTS = 60
THREADS, EACH = 16, 10

pytestmark = pytest.mark.skipif(not can_trace(), reason="strace is not installed, or not allowed")


def test_what_was_answered_outlives_a_power_cut_at_any_moment(path: Path) -> None:
    random = seeded()
    SqliteStore.open(path).close()
    log = path.with_name("events.db-wal")
    disk = Disk({path: bytearray(path.read_bytes()), log: bytearray()})
    traced = trace(path.with_name("trace"), children.COMMIT, path, str(TRANSACTIONS))
    events = [call for call in calls(traced) if call.file in disk.files or call.number == 1]
    assert [call.data for call in events if call.number == 1][-1] == b"%d" % (TRANSACTIONS - 1)
    cuts = set(random.sample(range(len(events)), CUTS))
    answered = 0
    for number, call in enumerate(events):
        if call.number == 1:
            answered = int(call.data) + 1
        else:
            disk.carry_out(call)
        if number in cuts:
            left = disk.after_a_cut(random)
            copy = path.with_name("copy.db")
            copy.write_bytes(left[path])
            copy.with_name("copy.db-wal").write_bytes(left[log])
            with SqliteStore.open(copy) as store:
                assert answered <= stored_transactions(store) <= answered + 1, number


def test_a_new_store_is_in_its_folder_before_a_write_to_it_is_answered(path: Path) -> None:
    """The file before its write-ahead log is made, and that before the answer."""
    log = path.with_name("events.db-wal")
    traced = list(calls(trace(path.with_name("trace"), children.COMMIT, path, "1")))
    synced = [number for number, call in enumerate(traced) if call.file == path.parent]
    logged = next(number for number, call in enumerate(traced) if call.file == log)
    answered = next(number for number, call in enumerate(traced) if call.number == 1)
    assert any(number < logged for number in synced)
    assert any(logged < number < answered for number in synced)


def test_threads_share_syncs(path: Path) -> None:
    SqliteStore.open(path).close()
    arguments = path, str(THREADS), str(EACH)
    traced = trace(path.with_name("trace"), children.COMMIT_TOGETHER, *arguments)
    lines = [line for line in traced.splitlines() if f"<{path}-wal>" in line]
    syncs = sum("fdatasync(" in line or "fsync(" in line for line in lines)
    with SqliteStore.open(path, writer=False) as store:
        assert store.end() == THREADS * EACH
    assert 0 < syncs < THREADS * EACH / 2


@pytest.mark.parametrize(
    "fault",
    [
        "fdatasync:error=EIO:when=4",
        "fdatasync:error=EIO:when=5+3",
        "pwrite64:error=EIO:when=60+37",
        "pwrite64:error=ENOSPC:when=60..110",
    ],
)
def test_what_a_failing_disk_refuses_is_not_stored_and_can_be_written_again(
    path: Path, fault: str
) -> None:
    SqliteStore.open(path).close()
    traced = trace(path.with_name("trace"), children.COMMIT, path, str(TRANSACTIONS), fault=fault)
    assert "(INJECTED)" in traced
    with SqliteStore.open(path) as store:
        assert stored_transactions(store) == TRANSACTIONS
