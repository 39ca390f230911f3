"""The process in which a projection's code runs; started by `engine`, by the path of this file.

It imports nothing of Lucent, so that it starts quickly. A request on standard input is a
kind (`l`: load, `c`: call), the seconds it may take and the length of the body; an answer
on standard output is a status (`o`: carried out, `f`: failed) and a body. `l` brings a JSON
list: the prelude, the query, and the bytes that V8's heap may grow to. `c` brings what the
prelude's function is called with.

V8 ends the process it is in where it can allocate no more. This one is there to be ended.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from py_mini_racer import (
    JSEvalException,
    JSFunction,
    JSTimeoutException,
    MiniRacer,
)

REQUEST, ANSWER = struct.Struct(">cdI"), struct.Struct(">cI")
BESIDE_HEAP = 4
"""How often the limit of the heap may be used up beside it, by buffers say."""

_FULL = "it used more memory than it may"
Call = Callable[[str, float], str]


def main() -> None:
    """Carry out requests until there are no more, or nobody takes the answers.

    V8's threads would keep the process from ending by itself.
    """
    try:
        _serve()
    finally:
        os._exit(0)


def _serve() -> None:
    source = sys.stdin.buffer
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    context = MiniRacer()
    call: Call | None = None
    while len(head := source.read(REQUEST.size)) == REQUEST.size:
        kind, seconds, length = REQUEST.unpack(head)
        body = source.read(length).decode()
        try:
            if kind == b"l":
                call = _loaded(context, body, seconds)
                _answer(sink, b"o", "")
            else:
                assert call is not None
                _answer(sink, b"o", call(body, seconds))
        except JSEvalException as error:
            full = context.was_hard_memory_limit_reached()
            _answer(sink, b"f", _FULL if full else _told(error, seconds))


def _loaded(context: MiniRacer, body: str, seconds: float) -> Call:
    prelude, query, memory = json.loads(body)
    function = context.eval(prelude)
    assert isinstance(function, JSFunction)
    context.set_hard_memory_limit(memory)
    _limit_memory(memory)
    context.eval(f"{query}\n;0", timeout_sec=seconds)

    def call(request: str, most: float) -> str:
        answer = function(request, timeout_sec=most)
        assert isinstance(answer, str)
        return answer

    return call


def _limit_memory(memory: int) -> None:
    """Let the process have little more memory than it has, and the heap, need."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (used,) = (int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))
    most = used + (1 + BESIDE_HEAP) * memory
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _answer(sink: BinaryIO, status: bytes, body: str) -> None:
    data = body.encode("utf-8", "backslashreplace")
    sink.write(ANSWER.pack(status, len(data)) + data)
    sink.flush()


def _told(error: JSEvalException, seconds: float) -> str:
    if isinstance(error, JSTimeoutException):
        return f"it took longer than {seconds:g} seconds"
    return str(error).partition("\n")[0].replace("<anonymous>:", "line ", 1)


if __name__ == "__main__":
    main()
