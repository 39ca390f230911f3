"""Whatever bytes come, they end with a status that tells why, and nothing that was stored suffers.

`LUCENT_SEED` repeats a test, `LUCENT_FUZZ` says how many calls it makes.
"""

from __future__ import annotations

import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from random import Random

import grpc
from grpc import StatusCode

from runtime.store import SqliteStore
from runtime.store.expectation import TOMBSTONE
from runtime.store.protocol import streams_pb2
from runtime.store.wire.described import feature_messages
from runtime.store.wire.features import SERVICE
from tests.store.wire.fuzzing import messages, methods
from tests.store.wire.neighbour import undisturbed
from tests.support.seeds import seeded
from tests.support.server import serving

CALLS = int(os.environ.get("LUCENT_FUZZ") or 1_500)
AT_ONCE = 16
SECONDS = 30
IDLE_SECONDS = 0.3
"""How long a call may go on that may only wait, as a subscription does."""

ANSWERS = 300
_APPENDS = {"append": streams_pb2.AppendResp, "batchappend": streams_pb2.BatchAppendResp}
_STREAMS = "/event_store.client.streams.streams"
_OFTEN = tuple(f"{_STREAMS}/{name}" for name in ("append", "batchappend", "read"))
_SPARED = ("restart", "shutdown")
OURS = (StatusCode.INTERNAL, StatusCode.UNKNOWN)


def announced(channel: grpc.Channel) -> list[str]:
    """The paths of the methods that the server says it offers, but for those that stop it."""
    ask = channel.unary_unary(f"/{SERVICE}/GetSupportedMethods")
    answer = feature_messages()("SupportedMethods").FromString(ask(b""))
    paths = [f"/{each.service_name}/{each.method_name}" for each in answer.methods]
    return [path for path in paths if not path.rpartition("/")[2].startswith(_SPARED)]


class Fuzz:
    """Calls of one channel; `stored` are positions and revisions that were acknowledged."""

    def __init__(self, channel: grpc.Channel, seed: int) -> None:
        self._channel = channel
        self._seed = seed
        self._methods = methods()
        self._paths = {
            path: f"/{method.containing_service.full_name}/{method.name}"
            for path, method in self._methods.items()
        }
        offered = sorted(announced(channel))
        self._offered = offered + 3 * [path for path in offered if path in _OFTEN]
        self.codes: dict[StatusCode, int] = defaultdict(int)
        self.stored: set[tuple[int, int]] = set()

    def call(self, number: int) -> None:
        """Make the call of that number; fails if it ends as none may."""
        random = Random(f"{self._seed}/{number}")
        path = random.choice(self._offered)
        method = self._methods.get(path)
        sent = messages(random, method)
        waits = method is None or method.server_streaming
        call = self._channel.stream_stream(self._paths.get(path, path))(
            iter(sent), timeout=IDLE_SECONDS if waits else SECONDS
        )
        with suppress(grpc.RpcError):
            for answer in islice(call, ANSWERS):
                self._note(path, answer)
            call.cancel()
        self.codes[call.code()] += 1
        explained = "exception" in dict(call.trailing_metadata() or ())
        late = call.code() == StatusCode.DEADLINE_EXCEEDED and not waits
        told = f"call {number} of {path} with {sent}: {call.code()}, {call.details()}"
        assert not late, told
        assert call.code() not in OURS or explained, told

    def _note(self, path: str, answer: bytes) -> None:
        kind = _APPENDS.get(path.rpartition("/")[2])
        if kind is not None:
            success = kind.FromString(answer).success
            if success.HasField("position"):
                self.stored.add((success.position.commit_position, success.current_revision))


def test_no_bytes_break_the_server(tmp_path: Path) -> None:
    seed = seeded().randrange(2**32)
    with serving(tmp_path / "served.db") as server:
        with undisturbed(server), grpc.insecure_channel(f"localhost:{server.port}") as channel:
            fuzz = Fuzz(channel, seed)
            with ThreadPoolExecutor(AT_ONCE) as threads:
                list(threads.map(fuzz.call, range(CALLS)))
        assert fuzz.codes[StatusCode.OK] > CALLS // 10, fuzz.codes
    assert fuzz.stored
    check_store(tmp_path / "served.db", fuzz.stored)


def check_store(path: Path, stored: set[tuple[int, int]]) -> None:
    """All that is `stored` is there; the events of each stream are numbered without a gap."""
    last, ends, found = -1, dict[str, int](), set[tuple[int, int]]()
    with SqliteStore.open(path) as store:
        for event in store.read_all():
            assert event.position > last
            assert event.revision in (ends.get(event.stream, -1) + 1, TOMBSTONE)
            last = event.position
            ends[event.stream] = event.revision
            found.add((event.position, event.revision))
    assert stored <= found
