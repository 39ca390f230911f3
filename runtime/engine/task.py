"""What a host in another process is given, and what it answers, as MessagePack.

Bytes, since Ray passes those on as they are; whatever else it is handed it pickles piece by
piece, which takes longer than a host needs for a small part.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from runtime.engine.results import Release, Results


class Task(NamedTuple):
    """How a host is to decide on rows of a stage: see `Send`."""

    stage: str
    mute: bool
    careful: bool
    release: Release | None


class Answer(NamedTuple):
    """What a host decided on, and the key groups in which an agent raised."""

    results: Results
    raised: tuple[int, ...]


_ENCODER = msgspec.msgpack.Encoder()
_TASK = msgspec.msgpack.Decoder(Task)
_ANSWER = msgspec.msgpack.Decoder(Answer)


def write_task(task: Task) -> bytes:
    """A task as bytes.

    >>> read_task(write_task(Task("scout", True, False, None)))
    Task(stage='scout', mute=True, careful=False, release=None)
    """
    return _ENCODER.encode(task)


def read_task(packed: bytes) -> Task:
    """The task that `write_task` wrote."""
    return _TASK.decode(packed)


def write_answer(answer: Answer) -> bytes:
    """An answer as bytes."""
    return _ENCODER.encode(answer)


def read_answer(packed: bytes) -> Answer:
    """The answer that `write_answer` wrote."""
    return _ANSWER.decode(packed)
