"""The access lists of streams, remembered until any metadata change."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress

from runtime.errors import StreamDeleted, StreamNotFound
from runtime.store.access import Acl, read_acl, read_defaults
from runtime.store.policy import SETTINGS, metastream
from runtime.store.wire.desk import Desk

REMEMBERED = 4_096
"""Streams whose access lists are kept in memory."""

LARGEST = 16_384
"""An access list whose names have more characters is not kept in memory."""


class Rights:
    """Answers the access list that holds for a stream, with the defaults for what it leaves open.

    A change of metadata is seen by every call that begins after it was answered.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._known: OrderedDict[str, Acl] = OrderedDict()
        self._as_of = desk.store.descriptions

    async def of(self, stream: str) -> Acl:
        """The list of `stream`; read from the store if it is not remembered."""
        as_of = self._desk.store.descriptions
        if as_of != self._as_of:
            self._known.clear()
            self._as_of = as_of
        found = self._known.get(stream)
        if found is not None:
            self._known.move_to_end(stream)
            return found
        found = await self._desk.call(lambda: self._read(stream))
        if as_of == self._as_of and found.size() <= LARGEST:
            self._remember(stream, found)
        return found

    def _remember(self, stream: str, found: Acl) -> None:
        self._known[stream] = found
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _read(self, stream: str) -> Acl:
        defaults = read_defaults(self._last(SETTINGS))
        return read_acl(self._last(metastream(stream))).over(defaults.of(stream))

    def _last(self, stream: str) -> bytes:
        """The data of the last event of a stream, nothing if there is none."""
        with suppress(StreamNotFound, StreamDeleted):
            for event in self._desk.store.read_stream(stream, backwards=True, limit=1):
                return event.data
        return b""
