"""What reading and following any `EventStore` must give, said through the port alone."""

from __future__ import annotations

import re
import threading

import pytest

from runtime.errors import EventNotFound, FilterInvalid, StreamNotFound
from runtime.events import RecordedEvent, named_id
from runtime.store import (
    Append,
    CaughtUp,
    EventStore,
    Expected,
    Filter,
    Write,
)
from tests.conformance.samples import event, events, ids, names

ANY, NO_STREAM = Expected.ANY, Expected.NO_STREAM
JOIN_SECONDS = 20


def revisions(store: EventStore, stream: str, *args: int, **options: object) -> list[int]:
    return [item.revision for item in store.read_stream(stream, *args, **options)]


class TestReadStream:
    def test_from_any_revision_either_way(self, store: EventStore) -> None:
        store.append("s-1", NO_STREAM, events("abcd"))
        store.append("s-2", NO_STREAM, events("xyz"))
        assert revisions(store, "s-1") == [0, 1, 2, 3]
        assert revisions(store, "s-1", 2) == [2, 3]
        assert revisions(store, "s-1", 1, limit=2) == [1, 2]
        assert revisions(store, "s-1", backwards=True) == [3, 2, 1, 0]
        assert revisions(store, "s-1", 2, backwards=True, limit=2) == [2, 1]
        assert revisions(store, "s-1", limit=0) == []

    def test_from_beyond_its_ends(self, store: EventStore) -> None:
        store.append("s-1", NO_STREAM, events("ab"))
        for beyond in (2, 2**63 - 1, 2**80):
            assert revisions(store, "s-1", beyond) == []
            assert revisions(store, "s-1", beyond, backwards=True) == [1, 0]
        assert revisions(store, "s-1", -1, backwards=True) == []

    def test_a_stream_never_written_is_told_at_once(self, store: EventStore) -> None:
        store.append("s-1", NO_STREAM, events("a"))
        with pytest.raises(StreamNotFound, match="'s-2'"):
            store.read_stream("s-2")

    def test_a_long_stream_is_whole_either_way(self, store: EventStore) -> None:
        count = 2500
        store.append("s-1", NO_STREAM, [event(str(i)) for i in range(count)])
        assert revisions(store, "s-1") == list(range(count))
        assert revisions(store, "s-1", backwards=True) == list(range(count))[::-1]
        assert revisions(store, "s-1", 1, limit=2000) == list(range(1, 2001))

    def test_an_iterator_may_be_left_or_read_while_the_stream_grows(
        self, store: EventStore
    ) -> None:
        store.append("s-1", NO_STREAM, events("ab"))
        left = store.read_stream("s-1")
        assert next(left).revision == 0
        store.append("s-1", 1, events("c"))
        assert [item.revision for item in left] == [1]


class TestReadAll:
    def test_in_log_order_from_any_position(self, store: EventStore) -> None:
        for stream, name in (("s-1", "a"), ("t-1", "b"), ("s-1", "c"), ("t-2", "d")):
            store.append(stream, ANY, events(name))
        whole = list(store.read_all())
        assert ids(whole) == names("abcd")
        positions = [item.position for item in whole]
        assert positions == sorted(set(positions))
        assert store.end() == positions[-1]
        assert ids(store.read_all(positions[1])) == names("bcd")
        assert ids(store.read_all(positions[1], limit=2)) == names("bc")
        assert ids(store.read_all(backwards=True)) == names("dcba")
        assert ids(store.read_all(positions[2], backwards=True)) == names("ba")
        assert ids(store.read_all(positions[2], backwards=True, limit=1)) == names("b")
        assert ids(store.read_all(positions[0], backwards=True)) == []
        assert ids(store.read_all(2**80)) == []
        assert ids(store.read_all(2**80, backwards=True)) == names("dcba")

    def test_an_empty_log(self, store: EventStore) -> None:
        assert list(store.read_all()) == list(store.read_all(backwards=True)) == []
        assert list(store.heads()) == store.streams() == []

    def test_what_a_filter_lets_pass(self, store: EventStore) -> None:
        store.append("s-1", ANY, events("a", "A"))
        store.append("s-2", ANY, events("b", "B"))
        store.append("t%1", ANY, events("c", "A"))
        store.append("t_1", ANY, events("d", "AB"))

        def passing(streams: str, types: str, **options: bool) -> list[bytes]:
            only = Filter(tuple(streams.split()), tuple(types.split()))
            return ids(store.read_all(only=only, **options))

        assert passing("", "") == names("abcd")
        assert passing("s-", "") == names("ab")
        assert passing("s-2 t", "") == names("bcd")
        assert passing("t%", "") == names("c")
        assert passing("t_", "") == names("d")
        assert passing("S- nothing", "") == []
        assert passing("", "A") == names("ac")
        assert passing("", "B AB") == names("bd")
        assert passing("s- t_", "A AB") == names("ad")
        assert passing("s- t_", "A AB", backwards=True) == names("da")

    @pytest.mark.parametrize(
        ("only", "passing"),
        [
            (Filter(type_prefixes=("A",)), "acd"),
            (Filter(type_prefixes=("AB", "B")), "bd"),
            (Filter(type_pattern="B"), "bd"),
            (Filter(type_pattern="^A|B$"), "abcd"),
            (Filter(type_pattern="^(?!(A$|B$))"), "d"),
            (Filter(stream_pattern=r"^.-\d+$"), "ab"),
            (Filter(stream_pattern=r"[\%_]"), "cd"),
            (Filter(streams=("s-",), type_pattern="B", stream_pattern="2$"), "b"),
            (Filter(types=("A",), type_prefixes=("AB",)), ""),
        ],
    )
    def test_patterns_and_prefixes(self, store: EventStore, only: Filter, passing: str) -> None:
        for name, stream, kind in [("a", "s-1", "A"), ("b", "s-2", "B")]:
            store.append(stream, ANY, events(name, kind))
        for name, stream, kind in [("c", "t%1", "A"), ("d", "t_1", "AB")]:
            store.append(stream, ANY, events(name, kind))
        assert ids(store.read_all(only=only)) == names(passing)
        assert ids(store.read_all(only=only, backwards=True)) == names(passing[::-1])

    @pytest.mark.parametrize("pattern", ["(", "[a", "*", "(?P<a", "(?<a>b)(?<a", "a{2,1}"])
    def test_a_pattern_that_is_none(self, store: EventStore, pattern: str) -> None:
        store.append("s-1", ANY, events("a"))
        for only in (Filter(type_pattern=pattern), Filter(stream_pattern=pattern)):
            with pytest.raises(FilterInvalid, match=re.escape(repr(pattern))):
                list(store.read_all(only=only))

    def test_a_pattern_that_takes_too_long(self, store: EventStore) -> None:
        store.append("s-1", ANY, [event("a", "a" * 60 + "c")])
        with pytest.raises(FilterInvalid, match="too long"):
            list(store.read_all(only=Filter(type_pattern="(a|aa)+$")))
        assert ids(store.read_all()) == names("a")

    def test_a_limit_counts_what_passes(self, store: EventStore) -> None:
        batch = [event(str(i), "Odd" if i % 2 else "Even") for i in range(3000)]
        store.append("s-1", ANY, batch)
        odd = Filter(types=("Odd",))
        assert len(list(store.read_all(only=odd))) == 1500
        found = list(store.read_all(only=odd, limit=1200))
        assert [item.revision for item in found] == list(range(1, 2401, 2))
        assert len(list(store.read_all(only=odd, backwards=True, limit=1200))) == 1200

    def test_it_ends_where_the_log_ended(self, store: EventStore) -> None:
        store.append("s-1", ANY, events("a"))
        reading = store.read_all()
        store.append("s-1", ANY, events("b"))
        assert ids(reading) == names("a")


class TestSubscribe:
    def test_catches_up_and_goes_on(self, store: EventStore) -> None:
        store.append("s-1", ANY, events("ab"))
        subscription = store.subscribe()
        assert ids([next(subscription), next(subscription)]) == names("ab")
        assert next(subscription) == CaughtUp(store.end())
        store.append("s-2", ANY, events("c"))
        store.append("s-1", ANY, events("d"))
        assert ids([next(subscription), next(subscription)]) == names("cd")
        assert next(subscription) == CaughtUp(store.end())
        subscription.close()
        assert next(subscription, None) is None

    def test_an_empty_log_is_caught_up_with_at_once(self, store: EventStore) -> None:
        subscription = store.subscribe()
        assert next(subscription) == CaughtUp(-1)
        store.append("s-1", ANY, events("a"))
        assert ids([next(subscription)]) == names("a")
        subscription.close()

    def test_begins_after_a_position(self, store: EventStore) -> None:
        position = store.append("s-1", ANY, events("ab")).position
        store.append("s-1", ANY, events("c"))
        subscription = store.subscribe(position)
        assert ids([next(subscription)]) == names("c")
        assert next(subscription) == CaughtUp(store.end())
        subscription.close()

    def test_tells_how_far_it_looked(self, store: EventStore) -> None:
        store.append("s-1", ANY, events("a", "A"))
        subscription = store.subscribe(only=Filter(("s-",), ("B",)))
        assert next(subscription) == CaughtUp(store.end())
        store.append("s-1", ANY, [event("b", "B"), event("c", "A")])
        assert ids([next(subscription)]) == names("b")
        assert next(subscription) == CaughtUp(store.end())
        subscription.close()

    def test_waits_for_another_thread(self, store: EventStore) -> None:
        def write() -> None:
            for number in range(50):
                store.append("s-1", number - 1, [event(str(number))])

        writing = threading.Thread(target=write)
        seen: list[int] = []
        subscription = store.subscribe()
        writing.start()
        for item in subscription:
            if isinstance(item, RecordedEvent):
                seen.append(item.revision)
            if len(seen) == 50:
                break
        subscription.close()
        writing.join(JOIN_SECONDS)
        assert seen == list(range(50))

    def test_ends_when_the_store_is_closed(self, store: EventStore) -> None:
        subscription = store.subscribe()
        assert next(subscription) == CaughtUp(-1)
        left: list[object] = []
        waiting = threading.Thread(target=lambda: left.extend(subscription))
        waiting.start()
        store.close()
        waiting.join(JOIN_SECONDS)
        assert not waiting.is_alive()
        assert left == []


class TestLookUp:
    def test_an_event_by_its_id(self, store: EventStore) -> None:
        store.append("s-1", ANY, events("ab"))
        store.append("s-2", ANY, events("b"))
        found = store.find(named_id("b"))
        assert (found.stream, found.revision) == ("s-1", 1)
        with pytest.raises(EventNotFound, match="6a56ea37"):
            store.find(bytes.fromhex("6a56ea37" + "0" * 24))

    def test_streams_by_prefix_in_byte_order(self, store: EventStore) -> None:
        every = ["s", "s-1", "s-10", "s-2", "sé", "s\ue000", "s\U0001f642", "t-1"]
        for name in reversed(every):
            store.append(name, ANY, [event(name), event(f"{name}/last")])
        assert every == sorted(every, key=str.encode)
        assert store.streams() == every
        assert store.streams("s") == every[:-1]
        assert store.streams("s-1") == ["s-1", "s-10"]
        assert store.streams("s\U0001f642") == ["s\U0001f642"]
        assert store.streams("u") == []
        assert [head.stream for head in store.heads()] == every
        assert ids(store.heads("s-1")) == [named_id("s-1/last"), named_id("s-10/last")]

    def test_heads_of_many_streams(self, store: EventStore) -> None:
        every = [f"s-{i:05}" for i in range(2100)]
        store.write(Write([Append(name, ANY, [event(name)]) for name in every]))
        assert [head.stream for head in store.heads("s-")] == every
        assert [head.stream for head in store.heads("s-010")] == every[1000:1100]
