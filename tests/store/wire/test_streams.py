"""What KurrentDB's Python client sees of a store that is served."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest
from esdbclient import (
    CaughtUp,
    Checkpoint,
    EventStoreDBClient,
    NewEvent,
    RecordedEvent,
    StreamState,
)
from esdbclient.exceptions import (
    FailedPrecondition,
    GrpcError,
    MaximumAppendSizeExceededError,
    NotFound,
    StreamIsDeleted,
    WrongCurrentVersion,
)

from runtime.events import NewEvent as StoredEvent
from runtime.store import TOMBSTONE, Expected, SqliteStore

ANY, NO_STREAM, EXISTS = StreamState.ANY, StreamState.NO_STREAM, StreamState.EXISTS


def new(kind: str = "Seen", data: bytes = b"{}") -> NewEvent:
    return NewEvent(kind, data)


def append(client: EventStoreDBClient, stream: str, count: int, kind: str = "Seen") -> int | None:
    events = [new(kind) for _ in range(count)]
    return client.append_to_stream(stream, current_version=ANY, events=events)


class TestAppend:
    def test_what_is_read_is_what_was_appended(self, client: EventStoreDBClient) -> None:
        text = NewEvent("Seen", b'{"a":1}', metadata=b'{"$correlationId":"x"}')
        binary = NewEvent("Raw", b"\x00\xff", content_type="application/octet-stream")
        at = client.append_to_stream("s-1", current_version=NO_STREAM, events=[text, binary])
        found = client.get_stream("s-1")
        assert [(e.id, e.type, e.data, e.metadata, e.content_type) for e in found] == [
            (e.id, e.type, e.data, e.metadata, e.content_type) for e in (text, binary)
        ]
        assert [e.stream_position for e in found] == [0, 1]
        assert found[1].commit_position == at
        assert all(e.recorded_at is not None for e in found)

    @pytest.mark.parametrize("expected", [0, 5, NO_STREAM])
    def test_of_another_version_is_refused(
        self, client: EventStoreDBClient, expected: int | StreamState
    ) -> None:
        append(client, "s-1", 3)
        with pytest.raises(WrongCurrentVersion, match="2"):
            client.append_to_stream("s-1", current_version=expected, events=[new()])
        with pytest.raises(WrongCurrentVersion, match="2"):
            client.append_event("s-1", current_version=expected, event=new())
        assert len(client.get_stream("s-1")) == 3

    @pytest.mark.parametrize("expected", [NO_STREAM, ANY, EXISTS, 4])
    def test_sent_twice_it_is_there_once(
        self, client: EventStoreDBClient, expected: int | StreamState
    ) -> None:
        if expected not in (NO_STREAM, ANY):
            append(client, "s-1", 5)
        events = [new(), new()]
        first = client.append_to_stream("s-1", current_version=expected, events=events)
        length = len(client.get_stream("s-1"))
        append(client, "s-1", 1)
        assert client.append_to_stream("s-1", current_version=expected, events=events) == first
        assert len(client.get_stream("s-1")) == length + 1

    def test_one_too_large_is_refused_whole(self, client: EventStoreDBClient) -> None:
        large = [new(data=b"x" * 60_000), new(data=b"x" * 60_000)]
        with pytest.raises(MaximumAppendSizeExceededError):
            client.append_to_stream("s-1", current_version=ANY, events=large)
        with pytest.raises(NotFound):
            client.get_stream("s-1")
        client.append_to_stream("s-1", current_version=ANY, events=large[:1])


class TestDelete:
    def test_and_begin_anew(self, client: EventStoreDBClient) -> None:
        append(client, "s-1", 3)
        with pytest.raises(WrongCurrentVersion):
            client.delete_stream("s-1", current_version=1)
        client.delete_stream("s-1", current_version=2)
        with pytest.raises(NotFound):
            client.get_stream("s-1")
        client.append_event("s-1", current_version=NO_STREAM, event=new())
        assert [e.stream_position for e in client.get_stream("s-1")] == [3]

    def test_for_good(self, client: EventStoreDBClient) -> None:
        append(client, "s-1", 1)
        client.tombstone_stream("s-1", current_version=0)
        with pytest.raises(StreamIsDeleted):
            client.get_stream("s-1")
        with pytest.raises(FailedPrecondition, match="is deleted"):
            client.append_event("s-1", current_version=ANY, event=new())
        with pytest.raises(StreamIsDeleted):
            client.append_events("s-1", current_version=ANY, events=[new()])
        with pytest.raises(StreamIsDeleted):
            client.delete_stream("s-1", current_version=ANY)

    def test_of_what_never_was(self, client: EventStoreDBClient) -> None:
        with pytest.raises(NotFound):
            client.delete_stream("s-1", current_version=ANY)

    def test_metadata(self, client: EventStoreDBClient) -> None:
        append(client, "s-1", 5)
        assert client.get_stream_metadata("s-1") == ({}, NO_STREAM)
        client.set_stream_metadata("s-1", metadata={"$maxCount": 2, "owner": "desk"})
        assert client.get_stream_metadata("s-1") == ({"$maxCount": 2, "owner": "desk"}, 0)
        assert [e.stream_position for e in client.get_stream("s-1")] == [3, 4]


class TestRead:
    def test_a_stream_either_way(self, client: EventStoreDBClient) -> None:
        append(client, "s-1", 600)

        def positions(**options: object) -> list[int]:
            return [e.stream_position for e in client.get_stream("s-1", **options)]

        assert positions() == list(range(600))
        assert positions(backwards=True) == list(range(599, -1, -1))
        assert positions(stream_position=595) == [595, 596, 597, 598, 599]
        assert positions(stream_position=2, backwards=True) == [2, 1, 0]
        assert positions(limit=2) == [0, 1]
        assert positions(stream_position=600) == []

    def test_the_log_either_way(self, client: EventStoreDBClient) -> None:
        append(client, "s-1", 300)
        append(client, "s-2", 300)
        found = [e.commit_position for e in client.read_all()]
        assert len(found) == 600
        assert found == sorted(set(found))
        assert [e.commit_position for e in client.read_all(backwards=True)] == found[::-1]
        at = found[7]
        assert [e.commit_position for e in client.read_all(commit_position=at, limit=2)] == found[
            7:9
        ]
        before = client.read_all(commit_position=at, backwards=True, limit=2)
        assert [e.commit_position for e in before] == [found[6], found[5]]

    def test_what_filters_let_pass(self, client: EventStoreDBClient) -> None:
        append(client, "a-1", 2, "One")
        append(client, "b-1", 2, "Two")
        client.set_stream_metadata("a-1", metadata={"x": 1})

        def kinds(**options: object) -> list[str]:
            return [e.type for e in client.read_all(**options)]

        assert kinds() == ["One", "One", "Two", "Two"]
        assert kinds(filter_exclude=()) == ["One", "One", "Two", "Two", "$metadata"]
        assert kinds(filter_include=("T.*",)) == ["Two", "Two"]
        assert kinds(filter_exclude=("T.*",)) == ["One", "One", "$metadata"]
        assert kinds(filter_include=("a-",), filter_by_stream_name=True) == []
        assert kinds(filter_include=("a-.*",), filter_by_stream_name=True) == ["One", "One"]

    def test_what_patterns_let_pass_far_apart(
        self, client: EventStoreDBClient, store: SqliteStore
    ) -> None:
        for kind, count in (("One", 1), ("Other", 9_000), ("Two", 2), ("Other", 9_000)):
            many = [StoredEvent(uuid4().bytes, kind, b"", b"") for _ in range(count)]
            store.append("s-1", Expected.ANY, many)

        def kinds(**options: object) -> list[str]:
            return [e.type for e in client.read_all(filter_include=("One", "Two"), **options)]

        assert kinds() == ["One", "Two", "Two"]
        assert kinds(backwards=True) == ["Two", "Two", "One"]
        assert kinds(limit=2) == ["One", "Two"]
        assert kinds(limit=2, backwards=True) == ["Two", "Two"]
        assert kinds(commit_position=2) == ["Two", "Two"]
        assert kinds(commit_position=9_003, backwards=True) == ["Two", "One"]

    def test_links(self, client: EventStoreDBClient) -> None:
        append(client, "s-1", 3)
        links = [new("$>", b"1@s-1"), new("$>", b"9@s-1"), new("$>", b"0@gone"), new("Own")]
        client.append_to_stream("l-1", current_version=ANY, events=links)
        found = client.get_stream("l-1", resolve_links=True)
        assert [(e.stream_name, e.stream_position) for e in found] == [("s-1", 1), ("l-1", 3)]
        assert found[0].link is not None
        assert found[0].link.id == links[0].id
        assert [e.type for e in client.get_stream("l-1")] == ["$>", "$>", "$>", "Own"]

    def test_links_to_a_tombstone_lead_nowhere(self, client: EventStoreDBClient) -> None:
        """As in streams of categories, which tell of streams that are deleted."""
        append(client, "s-1", 1)
        client.tombstone_stream("s-1", current_version=0)
        link = new("$>", f"{TOMBSTONE}@s-1".encode())
        client.append_to_stream("l-1", current_version=ANY, events=[link])
        assert not client.get_stream("l-1", resolve_links=True)

    def test_a_pattern_that_is_none(self, client: EventStoreDBClient) -> None:
        append(client, "s-1", 1)
        with pytest.raises(GrpcError, match="no regular expression"):
            list(client.read_all(filter_include=("(",)))


class TestSubscribe:
    def test_to_a_stream(self, client: EventStoreDBClient) -> None:
        append(client, "s-1", 3)
        with client.subscribe_to_stream("s-1", include_caught_up=True) as subscription:
            assert [next(subscription).stream_position for _ in range(3)] == [0, 1, 2]
            assert isinstance(next(subscription), CaughtUp)
            append(client, "s-1", 2)
            assert [next(subscription).stream_position for _ in range(2)] == [3, 4]

    def test_behind_a_position_and_from_the_end(self, client: EventStoreDBClient) -> None:
        append(client, "s-1", 3)
        behind = client.subscribe_to_stream("s-1", stream_position=1)
        live = client.subscribe_to_stream("s-1", from_end=True)
        log = client.subscribe_to_all(from_end=True)
        assert next(behind).stream_position == 2
        append(client, "s-1", 1)
        for subscription in (behind, live, log):
            assert next(subscription).stream_position == 3
            subscription.stop()

    def test_to_a_stream_that_is_not_there_yet(self, client: EventStoreDBClient) -> None:
        with client.subscribe_to_stream("s-1") as subscription:
            append(client, "s-1", 1)
            assert next(subscription).stream_position == 0

    def test_a_tombstone_ends_it(self, client: EventStoreDBClient) -> None:
        append(client, "s-1", 1)
        with client.subscribe_to_stream("s-1") as subscription:
            assert next(subscription).stream_position == 0
            client.tombstone_stream("s-1", current_version=0)
            assert next(subscription).type == "$streamDeleted"
            with pytest.raises(StreamIsDeleted):
                next(subscription)
        with pytest.raises(StreamIsDeleted):
            client.subscribe_to_stream("s-1")

    @pytest.mark.parametrize("from_end", [False, True])
    def test_once_live_it_misses_nothing_that_is_hidden_at_once(
        self, client: EventStoreDBClient, from_end: bool
    ) -> None:
        client.set_stream_metadata("s-1", metadata={"$maxCount": 1})
        with client.subscribe_to_stream(
            "s-1", from_end=from_end, include_caught_up=True
        ) as subscription:
            assert isinstance(next(subscription), CaughtUp)
            append(client, "s-1", 5)
            client.delete_stream("s-1", current_version=4)
            append(client, "s-1", 2)
            client.tombstone_stream("s-1", current_version=6)
            found = [next(subscription).stream_position for _ in range(8)]
        assert found == [*range(7), TOMBSTONE]

    @pytest.mark.parametrize("from_end", [False, True])
    @pytest.mark.parametrize("hidden", ["deleted", "truncated"])
    def test_what_was_hidden_before_stays_hidden(
        self, client: EventStoreDBClient, from_end: bool, hidden: str
    ) -> None:
        append(client, "s-1", 3)
        if hidden == "deleted":
            client.delete_stream("s-1", current_version=2)
        else:
            client.set_stream_metadata("s-1", metadata={"$tb": 3})
        with client.subscribe_to_stream(
            "s-1", from_end=from_end, include_caught_up=True
        ) as subscription:
            assert isinstance(next(subscription), CaughtUp)
            append(client, "s-1", 1)
            assert next(subscription).stream_position == 3

    def test_one_that_falls_behind_is_shown_what_is_to_be_seen(
        self, client: EventStoreDBClient
    ) -> None:
        client.set_stream_metadata("s-1", metadata={"$maxCount": 1})
        with client.subscribe_to_stream("s-1", include_caught_up=True) as subscription:
            assert isinstance(next(subscription), CaughtUp)
            append(client, "s-1", 100)
            assert next(subscription).stream_position == 99
            assert isinstance(next(subscription), CaughtUp)

    def test_checkpoints_of_a_filter(self, client: EventStoreDBClient) -> None:
        append(client, "s-1", 500, "Other")
        append(client, "s-1", 1, "Wanted")
        subscription = client.subscribe_to_all(
            filter_include=("Wanted",),
            include_checkpoints=True,
            include_caught_up=True,
            window_size=10,
            checkpoint_interval_multiplier=2,
        )
        told: list[int] = []
        events = 0
        for item in subscription:
            if isinstance(item, CaughtUp):
                break
            if isinstance(item, Checkpoint):
                assert item.commit_position is not None
                told.append(item.commit_position)
            else:
                events += 1
        subscription.stop()
        assert events == 1
        assert told == sorted(set(told))
        assert told[-1] == 501
        assert len(told) >= 25
        resumed = client.subscribe_to_all(commit_position=told[3], filter_include=("Wanted",))
        assert next(resumed).type == "Wanted"
        resumed.stop()

    def test_what_another_writer_of_the_store_appends(
        self, client: EventStoreDBClient, store: SqliteStore
    ) -> None:
        with client.subscribe_to_all() as subscription:
            writer = threading.Thread(target=lambda: append(client, "s-1", 1))
            writer.start()
            found = next(subscription)
            writer.join()
            assert isinstance(found, RecordedEvent)
            assert found.commit_position == store.end()
