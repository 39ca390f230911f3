"""Scavenges that clients ask for: one at a time, beside all else."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from uuid import uuid4

from runtime.errors import StoreError
from runtime.store.wire.desk import Desk
from runtime.store.wire.encoding import varint

_STARTED, _IN_PROGRESS = 0, 1
_ID, _RESULT = b"\x0a", b"\x10"
"""The fields of `ScavengeResp`: `scavenge_id`, a string, is 1; `scavenge_result`, an enum, 2."""

_log = logging.getLogger(__name__)


class Scavenging:
    """Scavenges the store of a desk. To be used inside one running event loop."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._id = ""
        self._going: asyncio.Task[None] | None = None

    async def start(self, _request: bytes) -> bytes:
        """Begin a scavenge, if none is going on; answers its encoded `ScavengeResp`.

        Threads and chunks that a client asks for have no counterpart here.
        """
        if self._going is not None and not self._going.done():
            return _answer(self._id, _IN_PROGRESS)
        self._id = str(uuid4())
        self._going = asyncio.create_task(self._scavenge())
        return _answer(self._id, _STARTED)

    async def close(self) -> None:
        """Wait no longer for one that goes on: it ends with the store, which stays sound."""
        if self._going is not None:
            self._going.cancel()
            with suppress(asyncio.CancelledError):
                await self._going

    async def _scavenge(self) -> None:
        try:
            await self._desk.call(self._desk.store.scavenge)
        except StoreError:
            _log.exception("scavenge %s ended early", self._id)


def _answer(scavenge: str, result: int) -> bytes:
    encoded = scavenge.encode()
    return b"".join((_ID, varint(len(encoded)), encoded, _RESULT, varint(result)))
