"""A projection's code, run by V8 in a process of its own, which can be ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from struct import Struct
from threading import Timer
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from runtime.errors import ProjectionFaulted, ProjectionInvalid
from runtime.store.projections.description import Description, check
from runtime.store.projections.view import View

PROGRAM: Final = Path(__file__).with_name("sandbox.py")
_REQUEST, _ANSWER = Struct(">cdI"), Struct(">cI")
_START_SECONDS = 30.0
_GRACE_SECONDS = 5.0
_SHARE = 16
"""The part of the heap that states may take, as text; as values they take several times that."""

T = TypeVar("T")
Pair = tuple[str, str | None]
"""A state and the result made of it, as JSON texts."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a projection's code may use.

    `seconds` of one call, that is of up to `events` events or `size` bytes of them; `memory`
    in bytes of V8's heap. `answer`: the bytes of what a call may put out. `query`: the bytes
    of the code itself; `partitions`: how many it holds the states of, the others being read
    again; `projections`: how many there may be beside the store's own.
    """

    seconds: float = 5.0
    memory: int = 64 * 2**20
    events: int = 256
    size: int = 4 * 2**20
    answer: int = 16 * 2**20
    query: int = 2**20
    partitions: int = 10_000
    projections: int = 100


class Put(msgspec.Struct, frozen=True):
    """An event to be written; `at` counts the events of the call. `extra` is a JSON object."""

    at: int
    stream: str
    type: str
    data: str
    json: bool
    extra: str


class Result(msgspec.Struct, frozen=True):
    """A partition's new result, a JSON text."""

    at: int
    partition: str
    result: str


class Ran(msgspec.Struct, frozen=True):
    """What handlers made of the events of a call."""

    emitted: list[Put]
    results: list[Result]
    states: dict[str, Pair]


class Divided(msgspec.Struct, frozen=True):
    """The partition of each event (None: it is in none), and those whose state is asked for."""

    partitions: list[str | None]
    missing: list[str]


class Engine:
    """The code of one projection, loaded. Used by one thread; any may `close` it.

    Once a call has failed, only `close` may follow.
    """

    def __init__(self, query: str, limits: Limits, *, emit: bool) -> None:
        """Start the process and load `query`. Raises `ProjectionInvalid`."""
        self._limits = limits
        self._process = _started()
        try:
            self._load(query)
            self.description = self._describe(emit=emit)
            check(self.description)
        except ProjectionFaulted as error:
            self.close()
            raise ProjectionInvalid(f"the query cannot be run: {error}") from None
        except BaseException:
            self.close()
            raise

    def divide(self, events: Sequence[View]) -> Divided:
        """The partitions of `events`. Raises `ProjectionFaulted`."""
        return self._ask(Divided, {"do": "divide", "events": events})

    def run(
        self,
        events: Sequence[View],
        partitions: Sequence[str | None],
        states: Mapping[str, Pair],
    ) -> Ran:
        """Hand `events` to the handlers, after `states` that they had asked for.

        Raises `ProjectionFaulted`.
        """
        request = {"do": "run", "events": events, "partitions": partitions, "states": states}
        return self._ask(Ran, request)

    def close(self) -> None:
        """End the process, whatever it is doing; closing twice is allowed."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def _load(self, query: str) -> None:
        prelude = files(__package__).joinpath("prelude.js").read_text(encoding="utf-8")
        body = msgspec.json.encode((prelude, query, self._limits.memory))
        self._exchange(b"l", body, _START_SECONDS)

    def _describe(self, *, emit: bool) -> Description:
        limits = self._limits
        request = {"do": "describe", "emit": emit, "most": limits.partitions}
        return self._ask(Description, request | {"size": limits.memory // _SHARE})

    def _ask(self, kind: type[T], request: Mapping[str, Any]) -> T:
        answered = self._exchange(b"c", msgspec.json.encode(request), _GRACE_SECONDS)
        try:
            answer = msgspec.json.decode(answered, type=_Answer)
            if answer.fault is not None:
                _fail(answer.fault, answer.at)
            return msgspec.json.decode(answer.answer, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProjectionFaulted(f"what it put out cannot be read: {error}") from None

    def _exchange(self, kind: bytes, body: bytes, grace: float) -> bytes:
        """The answer to a request; the process is ended if there is none in time."""
        source, sink = self._process.stdin, self._process.stdout
        assert source is not None
        assert sink is not None
        seconds = self._limits.seconds
        alarm = Timer(seconds + grace, self._process.kill)
        alarm.daemon = True
        alarm.start()
        try:
            source.write(_REQUEST.pack(kind, seconds, len(body)))
            source.write(body)
            source.flush()
            head = sink.read(_ANSWER.size)
            status, length = _ANSWER.unpack(head) if len(head) == _ANSWER.size else (b"", 0)
            if length > self._limits.answer:
                _fail(f"it put out more than {self._limits.answer} bytes at once")
            answer: bytes = sink.read(length)
        except (OSError, ValueError):
            status = b""
        finally:
            alarm.cancel()
        if status == b"f":
            _fail(answer.decode(errors="replace"))
        if status != b"o" or len(answer) < length:
            _fail("its process ended: it used more memory or time than it may")
        return answer


def _started() -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 (a program of this package)
            [sys.executable, "-P", str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise ProjectionInvalid(
            f"no process can be started to run the query ({error}): stop other projections"
        ) from None


class _Answer(msgspec.Struct, frozen=True):
    answer: msgspec.Raw = msgspec.Raw(b"null")
    fault: str | None = None
    at: int = -1


def _fail(told: str, at: int = -1) -> NoReturn:
    error = ProjectionFaulted(told)
    error.index = at if at >= 0 else None
    raise error
