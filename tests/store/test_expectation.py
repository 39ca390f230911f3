from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import WrongExpectedVersion
from runtime.events import NewEvent
from runtime.store import Append, Expected, Head, judge

ANY, NO_STREAM, EXISTS = Expected.ANY, Expected.NO_STREAM, Expected.EXISTS


class Stored:
    """The history of one stream, as a text of one-letter ids."""

    def __init__(self, letters: str) -> None:
        self.letters = letters

    def ids(self, stream: str, start: int, count: int) -> list[bytes]:
        assert start >= 0
        return [letter.encode() for letter in self.letters[start : start + count]]

    def revision_of(self, stream: str, event_id: bytes) -> int | None:
        found = self.letters.rfind(event_id.decode())
        return None if found < 0 else found


def verdict(
    stored: str, expected: int | Expected, batch: str, *, deleted: bool = False
) -> int | str | None:
    new = [NewEvent(letter.encode(), "T", b"", b"") for letter in batch]
    try:
        head = Head(len(stored) - 1, deleted)
        return judge(Append("s-1", expected, new), head, Stored(stored))
    except WrongExpectedVersion as error:
        return str(error)


@pytest.mark.parametrize(
    ("stored", "expected", "batch", "answer"),
    [
        ("", NO_STREAM, "a", None),
        ("", -1, "a", None),
        ("", ANY, "a", None),
        ("ab", 1, "c", None),
        ("ab", 1, "a", None),
        ("ab", ANY, "c", None),
        ("ab", EXISTS, "c", None),
        ("ab", ANY, "ca", None),
        ("ab", ANY, "", None),
        ("ab", 1, "", None),
        ("ab", NO_STREAM, "ab", 1),
        ("abc", -1, "a", 0),
        ("abc", 0, "b", 1),
        ("abc", 0, "bc", 2),
        ("abc", ANY, "bc", 2),
        ("abc", ANY, "cb", 1),
        ("abcb", EXISTS, "b", 3),
    ],
)
def test_stored_or_to_be_stored(
    stored: str, expected: int | Expected, batch: str, answer: int | None
) -> None:
    assert verdict(stored, expected, batch) == answer


def test_what_expects_no_stream_begins_a_deleted_one_anew() -> None:
    assert verdict("ab", NO_STREAM, "x", deleted=True) is None
    assert verdict("ab", NO_STREAM, "ab", deleted=True) == 1
    assert "is at revision 1" in str(verdict("ab", NO_STREAM, "", deleted=True))


@pytest.mark.parametrize(
    ("stored", "expected", "batch", "told"),
    [
        ("", EXISTS, "a", "'s-1' does not exist, but the append expects exists:"),
        ("", 0, "a", "'s-1' does not exist, but the append expects revision 0:"),
        ("ab", 2, "c", "'s-1' is at revision 1, but the append expects revision 2:"),
        ("ab", NO_STREAM, "x", "'s-1' is at revision 1, but the append expects no stream:"),
        ("ab", 0, "bc", "revision 0; 1 of the 2 events are stored already:"),
        ("ab", ANY, "abc", "any; 2 of the 3 events are stored already:"),
        ("ab", 0, "", "revision 0:"),
        ("ab", -2, "ab", "revision -2:"),
        ("", -2, "ab", "revision -2:"),
    ],
)
def test_refused_and_why(stored: str, expected: int | Expected, batch: str, told: str) -> None:
    answer = verdict(stored, expected, batch)
    assert isinstance(answer, str)
    assert told in answer


letters = st.text("abc", max_size=6)


@given(letters, st.integers(-3, 8) | st.just(NO_STREAM), letters)
def test_an_exact_revision_appends_at_the_head_only(
    stored: str, expected: int | Expected, batch: str
) -> None:
    at = -1 if expected is NO_STREAM else expected
    answer = verdict(stored, expected, batch)
    if at == len(stored) - 1:
        assert answer is None
    elif batch and at >= -1 and stored[at + 1 : at + 1 + len(batch)] == batch:
        assert answer == at + len(batch)
    else:
        assert isinstance(answer, str)


@given(letters, letters)
def test_any_looks_at_the_first_id(stored: str, batch: str) -> None:
    answer = verdict(stored, ANY, batch)
    if not batch or batch[0] not in stored:
        assert answer is None
    elif set(batch) <= set(stored):
        assert answer == stored.rfind(batch[-1])
    else:
        assert isinstance(answer, str)
