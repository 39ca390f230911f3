"""Programs that the tests of the store run as other processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOBODY = 65534

HOLD = """
import sys
from runtime.store import SqliteStore
with SqliteStore.open(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.read()
"""

WRITE = """
import sys
from random import Random
from runtime.events import NewEvent, named_id
from runtime.store import Append, Checkpoint, Expected, SqliteStore, Write
path, life, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
random = Random(seed)
with SqliteStore.open(path) as store:
    for batch in range(10_000):
        sizes = [random.randrange(1, 9) for _ in "ab"]
        appends = [
            Append(f"{stream}-{life}", Expected.ANY, [
                NewEvent(named_id(f"{life}/{batch}/{stream}/{i}"), "T", str(batch).encode(),
                         f"{size}".encode() + b" " * random.randrange(2000))
                for i in range(size)
            ])
            for stream, size in zip("ab", sizes)
        ]
        store.write(Write(appends, [Checkpoint(life, str(batch))]))
        print(batch, flush=True)
"""

APPEND = """
import sys
from runtime.events import NewEvent, named_id
from runtime.store import Expected, SqliteStore
with SqliteStore.open(sys.argv[1]) as store:
    for line in sys.stdin:
        name = line.strip()
        store.append("s-1", Expected.ANY, [NewEvent(named_id(name), "T", b"", b"")])
"""

FOLLOW = """
import sys
from runtime.events import RecordedEvent
from runtime.store import SqliteStore
path, last = sys.argv[1:]
with SqliteStore.open(path, writer=False, poll=0.01) as store:
    ended = False
    for item in store.subscribe():
        if isinstance(item, RecordedEvent):
            print(item.position, item.event_id.hex())
            ended = ended or item.type == last
        elif ended:
            print(item.position, "caught up")
            break
"""
"""Follows the log until it is caught up behind an event of the type `last`."""

READ = """
import sys
from runtime.store import SqliteStore
with SqliteStore.open(sys.argv[1], writer=False) as store:
    print("open", flush=True)
    while True:
        for event in store.read_all(limit=2000):
            pass
"""

COMMIT = """
import os, sys
from runtime.errors import StoreError
from runtime.store import SqliteStore
from tests.store.samples import stored_transactions, transaction
path, transactions = sys.argv[1], int(sys.argv[2])
store = SqliteStore.open(path)
store._writer._connection.execute("PRAGMA wal_autocheckpoint = 40")
answered = refused = 0
while answered < transactions:
    try:
        store.write(transaction(answered))
    except StoreError as error:
        assert stored_transactions(store) == answered
        assert (refused := refused + 1) < 100, error
    else:
        os.write(1, b"%d" % answered)
        answered += 1
os._exit(0)
"""
"""Tells each transaction when it was answered; one that is refused is written again.

SQLite writes its log back every few of them.
"""

COMMIT_TOGETHER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from runtime.store import Expected, SqliteStore
from tests.store.samples import event
path, threads, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with SqliteStore.open(path) as store, ThreadPoolExecutor(threads) as pool:
    def work(thread):
        for number in range(each):
            store.append(f"s-{thread}", Expected.ANY, [event(f"{thread}/{number}")])
    list(pool.map(work, range(threads)))
"""

MIGRATE = """
import os, shutil, signal, sys
from contextlib import closing
from pathlib import Path
from runtime.store.connection import connect
from runtime.store.migration import migrate
old, kept = sys.argv[1:]
def run(path, statements):
    left = statements
    def count(_):
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    with closing(connect(path, "rw")) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.set_trace_callback(count)
        migrate(connection)
    os._exit(0)
statements, status = 0, None
while status != 0:
    path = Path(f"{kept}-{statements:03}.db")
    shutil.copy(old, path)
    child = os.fork()
    if child == 0:
        run(path, statements)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL)
    statements += 1
print(statements - 1)
"""
"""Migrates copies of a store, each killed one statement later, until one is not killed."""

TRY = f"""
import os, sys
from runtime.errors import StoreError
from runtime.events import NewEvent
from runtime.store import Expected, SqliteStore
if os.getuid() == 0:
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
try:
    with SqliteStore.open(sys.argv[1], writer=sys.argv[2] == "writer") as store:
        print(store.end())
        store.append("s-1", Expected.ANY, [NewEvent(bytes(16), "T", b"", b"")])
except StoreError as error:
    print(type(error).__name__, error)
"""


SCAVENGE = """
import os, signal, sys
from runtime.store import SqliteStore
path, left = sys.argv[1], int(sys.argv[2])
def turn():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
with SqliteStore.open(path) as store:
    store.listen(turn)
    store.scavenge()
"""
"""Scavenges a store, and is killed after so many transactions."""

KILLED_BACK_UP = """
import os, signal, sys
from runtime.store.upkeep import backup
backup(sys.argv[1], sys.argv[2], lambda done, total: os.kill(os.getpid(), signal.SIGKILL))
"""
"""Backs a store up, and is killed after some pages."""

BACK_UP = f"""
import os, sys
from runtime.errors import StoreError
from runtime.store.upkeep import backup
if os.getuid() == 0:
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
try:
    backup(sys.argv[1], sys.argv[2])
except StoreError as error:
    print(type(error).__name__, error)
"""


def start(program: str, *arguments: str | Path) -> subprocess.Popen[str]:
    """Start a program; its standard input and output are pipes of text."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def try_as_nobody(path: Path, role: str) -> str:
    """What comes of opening and appending as "writer" or "reader", without root's rights."""
    return _told(TRY, str(path), role)


def back_up_as_nobody(path: Path, target: Path) -> str:
    """What comes of a backup, without root's rights."""
    return _told(BACK_UP, str(path), str(target))


def _told(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout
