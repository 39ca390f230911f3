"""Deleting streams and limiting what is seen of them, as KurrentDB does it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from runtime.errors import StreamDeleted, StreamNotFound, WrongExpectedVersion
from runtime.events import NewEvent, named_id
from runtime.store import TOMBSTONE, EventStore, Expected
from tests.conformance.samples import before_and_after, event, events, ids, names

ANY, NO_STREAM, EXISTS = Expected.ANY, Expected.NO_STREAM, Expected.EXISTS


def describe(store: EventStore, stream: str, **fields: object) -> None:
    data = json.dumps({f"${name}": value for name, value in fields.items()}).encode()
    revision = store.revision(f"$${stream}")
    unique = named_id(f"{stream}/{revision}/{data!r}")
    store.append(f"$${stream}", ANY, [NewEvent(unique, "$metadata", data, b"")])


def metadata(store: EventStore, stream: str) -> dict[str, object]:
    last = next(store.read_stream(f"$${stream}", backwards=True))
    found: dict[str, object] = json.loads(last.data)
    return found


@pytest.fixture
def five(store: EventStore) -> EventStore:
    store.append("s-1", NO_STREAM, events("abcde"))
    return store


class TestSoftDelete:
    def test_hides_the_stream(self, five: EventStore, reopen: Callable[[], EventStore]) -> None:
        five.delete("s-1", 4)
        for store in before_and_after(five, reopen):
            with pytest.raises(StreamNotFound, match="s-1"):
                store.read_stream("s-1")
            assert store.revision("s-1") == -1

    def test_leaves_the_log_as_it_was(self, five: EventStore) -> None:
        answer = five.delete("s-1")
        *before, record = five.read_all()
        assert ids(before) == names("abcde")
        assert (record.stream, record.type, record.revision) == ("$$s-1", "$metadata", 0)
        assert json.loads(record.data) == {"$tb": TOMBSTONE}
        assert (answer.revision, answer.position) == (0, record.position)

    def test_forgets_other_metadata(self, five: EventStore) -> None:
        describe(five, "s-1", maxCount=3, acl={"$r": "desk"})
        five.delete("s-1")
        assert metadata(five, "s-1") == {"$tb": TOMBSTONE}

    @pytest.mark.parametrize("expected", [3, 5, 9, NO_STREAM])
    def test_of_another_revision_is_refused(self, five: EventStore, expected: int) -> None:
        with pytest.raises(WrongExpectedVersion) as refused:
            five.delete("s-1", expected)
        assert refused.value.actual == 4
        assert five.revision("s-1") == 4

    @pytest.mark.parametrize("expected", [ANY, NO_STREAM, EXISTS, 0])
    def test_of_no_stream_is_refused(self, store: EventStore, expected: int | Expected) -> None:
        with pytest.raises(WrongExpectedVersion) as refused:
            store.delete("s-1", expected)
        assert refused.value.actual == -1
        assert store.end() == -1

    def test_again(self, five: EventStore) -> None:
        five.delete("s-1")
        with pytest.raises(StreamDeleted, match="s-1"):
            five.delete("s-1", EXISTS)
        assert five.delete("s-1", ANY).revision == 1


class TestRevival:
    @pytest.mark.parametrize("expected", [ANY, NO_STREAM, 4])
    def test_numbers_go_on(
        self, five: EventStore, expected: int | Expected, reopen: Callable[[], EventStore]
    ) -> None:
        five.delete("s-1")
        assert five.append("s-1", expected, [event("f")]).revision == 5
        assert metadata(five, "s-1") == {"$tb": 5}
        for store in before_and_after(five, reopen):
            assert ids(store.read_stream("s-1")) == names("f")
            assert ids(store.read_stream("s-1", backwards=True)) == names("f")
            assert store.revision("s-1") == 5

    def test_not_by_another_revision(self, five: EventStore) -> None:
        five.delete("s-1")
        with pytest.raises(WrongExpectedVersion):
            five.append("s-1", 2, [event("f")])
        with pytest.raises(StreamDeleted):
            five.append("s-1", EXISTS, [event("f")])
        assert five.revision("s-1") == -1

    def test_by_an_empty_append(self, five: EventStore) -> None:
        five.delete("s-1")
        five.append("s-1", ANY, [])
        assert list(five.read_stream("s-1")) == []
        assert five.revision("s-1") == 4

    def test_by_metadata(self, five: EventStore) -> None:
        five.delete("s-1")
        describe(five, "s-1", maxCount=2)
        assert metadata(five, "s-1") == {"$maxCount": 2, "$tb": 5}
        five.append("s-1", 4, events("fgh"))
        assert ids(five.read_stream("s-1")) == names("gh")

    def test_keeps_what_else_the_metadata_say(self, five: EventStore) -> None:
        describe(five, "s-1", tb=TOMBSTONE, owner="desk", acl={"$r": "ada"})
        with pytest.raises(StreamNotFound):
            five.read_stream("s-1")
        five.append("s-1", ANY, events("f"))
        assert metadata(five, "s-1") == {"$tb": 5, "$owner": "desk", "$acl": {"$r": "ada"}}
        assert ids(five.read_stream("s-1")) == names("f")


class TestTombstone:
    def test_is_for_good(self, five: EventStore, reopen: Callable[[], EventStore]) -> None:
        assert five.delete("s-1", 4, hard=True).revision == TOMBSTONE
        for store in before_and_after(five, reopen):
            for expected in (ANY, NO_STREAM, EXISTS, 4, TOMBSTONE):
                with pytest.raises(StreamDeleted, match="s-1"):
                    store.append("s-1", expected, [event("f")])
            with pytest.raises(StreamDeleted, match="s-1"):
                store.read_stream("s-1")
            with pytest.raises(StreamDeleted, match="s-1"):
                store.revision("s-1")
            with pytest.raises(StreamDeleted, match="s-1"):
                store.delete("s-1", hard=True)

    def test_hides_the_metadata_which_may_be_written(self, five: EventStore) -> None:
        describe(five, "s-1", maxCount=1)
        five.delete("s-1", hard=True)
        assert five.append("$$s-1", 0, events("m")).revision == 1
        with pytest.raises(StreamDeleted, match="s-1"):
            five.read_stream("$$s-1")
        with pytest.raises(StreamDeleted, match="s-1"):
            five.revision("$$s-1")

    def test_is_an_event_of_the_log(self, five: EventStore) -> None:
        answer = five.delete("s-1", hard=True)
        last = next(five.read_all(backwards=True))
        assert (last.stream, last.type) == ("s-1", "$streamDeleted")
        assert (last.revision, last.position) == (TOMBSTONE, answer.position)

    @pytest.mark.parametrize("expected", [ANY, NO_STREAM])
    def test_of_a_stream_that_never_was(self, store: EventStore, expected: Expected) -> None:
        store.delete("s-1", expected, hard=True)
        with pytest.raises(StreamDeleted):
            store.append("s-1", ANY, [event("a")])

    def test_of_another_revision_is_refused(self, five: EventStore) -> None:
        with pytest.raises(WrongExpectedVersion):
            five.delete("s-1", 3, hard=True)
        assert len(list(five.read_stream("s-1"))) == 5

    def test_of_the_metadata_lets_them_be_no_more(self, five: EventStore) -> None:
        five.delete("$$s-1", hard=True)
        with pytest.raises(StreamDeleted):
            five.delete("s-1", 4)
        with pytest.raises(StreamDeleted):
            describe(five, "s-1", maxCount=1)
        assert ids(five.read_stream("s-1")) == names("abcde")
        five.append("s-1", 4, events("f"))

    def test_of_a_deleted_stream(self, five: EventStore) -> None:
        five.delete("s-1")
        five.delete("s-1", ANY, hard=True)
        with pytest.raises(StreamDeleted):
            five.append("s-1", ANY, [event("f")])


class TestMetadata:
    @pytest.mark.parametrize(
        ("fields", "seen"),
        [
            ({"tb": 2}, "cde"),
            ({"maxCount": 2}, "de"),
            ({"tb": 1, "maxCount": 4}, "bcde"),
            ({"tb": 4, "maxCount": 4}, "e"),
            ({"tb": 5}, ""),
            ({"maxAge": 3600}, "abcde"),
            ({"owner": "desk"}, "abcde"),
        ],
    )
    def test_hides(
        self,
        five: EventStore,
        fields: dict[str, object],
        seen: str,
        reopen: Callable[[], EventStore],
    ) -> None:
        describe(five, "s-1", **fields)
        for store in before_and_after(five, reopen):
            assert ids(store.read_stream("s-1")) == names(seen)
            assert ids(store.read_stream("s-1", 0)) == names(seen)
            assert ids(store.read_stream("s-1", backwards=True)) == names(seen[::-1])
            assert store.revision("s-1") == 4

    @pytest.mark.parametrize(
        "data",
        [
            *(b"", b"{", b"[]", b'"$tb"', b"\xff", b'{"$maxCount":0}', b'{"$tb":-1}'),
            *(b'{"$maxAge":"1"}', b'{"$maxCount":2.5}', b'{"$maxCount":2,"$tb":null}'),
            *(b'{"$maxCount":2,"$tb":9223372036854775808}', b'{"$maxCount":2,"$tmp":1}'),
            *(b'{"$maxCount":2,"$cacheControl":"1"}', b'{"$maxCount":2,"$acl":null}'),
            *(b'{"$maxCount":2,"$acl":{"$r":[1]}}', b'{"$maxCount":2,"$acl":{"r":"ada"}}'),
        ],
    )
    def test_that_cannot_be_read_hide_nothing(self, five: EventStore, data: bytes) -> None:
        describe(five, "s-1", maxCount=1)
        five.append("$$s-1", ANY, [NewEvent(named_id("bad"), "$metadata", data, b"")])
        assert ids(five.read_stream("s-1")) == names("abcde")

    @pytest.mark.parametrize("other", ['"$tb":-1', '"$maxAge":0', '"$maxAge":922337203685'])
    def test_out_of_range_do_not_void_others(self, five: EventStore, other: str) -> None:
        data = f'{{{other},"$maxCount":2}}'.encode()
        five.append("$$s-1", ANY, [NewEvent(named_id("m"), "$metadata", data, b"")])
        assert ids(five.read_stream("s-1")) == names("de")

    def test_that_are_not_declared_json_hide_nothing(self, five: EventStore) -> None:
        plain = NewEvent(named_id("m"), "$metadata", b'{"$maxCount":2}', b"", json=False)
        five.append("$$s-1", ANY, [plain])
        assert ids(five.read_stream("s-1")) == names("abcde")

    def test_may_come_before_the_stream(self, store: EventStore) -> None:
        describe(store, "s-1", maxCount=1)
        with pytest.raises(StreamNotFound):
            store.read_stream("s-1")
        assert "s-1" not in store.streams()
        store.append("s-1", EXISTS, events("ab"))
        assert ids(store.read_stream("s-1")) == names("b")

    def test_only_the_last_are_seen(self, five: EventStore) -> None:
        for count in (1, 2, 3):
            describe(five, "s-1", maxCount=count)
        assert [found.revision for found in five.read_stream("$$s-1")] == [2]
        assert ids(five.read_stream("s-1")) == names("cde")

    def test_refused_with_its_batch_it_does_not_hold(self, five: EventStore) -> None:
        with pytest.raises(WrongExpectedVersion):
            five.append("$$s-1", 3, [NewEvent(named_id("m"), "$metadata", b'{"$tb":3}', b"")])
        assert ids(five.read_stream("s-1")) == names("abcde")
