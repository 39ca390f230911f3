from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from runtime.store.digest import part_digest, snapshot_digest


def test_the_exact_form_of_a_part() -> None:
    encoded = (
        b"\0\0\0\0\0\0\0\x14LucentSnapshotPartV1"
        b"\0\0\0\0\0\0\0\x04r\xc3\xbcn"
        b"\0\0\0\0\0\0\0\x02{}"
        b"\0\0\0\0\0\0\0\x03255"
        b"\0\0\0\0\0\0\0\0"
    )
    assert part_digest("rün", "{}", 255, b"") == sha256(encoded).digest()


def test_the_exact_form_of_a_snapshot() -> None:
    encoded = (
        b"\0\0\0\0\0\0\0\x10LucentSnapshotV1"
        b"\0\0\0\0\0\0\0\x03run"
        b"\0\0\0\0\0\0\0\x01c"
        b"\0\0\0\0\0\0\0\x019\0\0\0\0\0\0\0\x20" + b"b" * 32 + b"\0\0\0\0\0\0\0\x0210"
        b"\0\0\0\0\0\0\0\x20" + b"a" * 32
    )
    digest = snapshot_digest("run", "c", {10: b"a" * 32, 9: b"b" * 32})
    assert digest == sha256(encoded).digest()


def test_what_moves_from_a_field_to_the_next_is_another_part() -> None:
    digests = [
        part_digest("ab", "c", 1, b"2"),
        part_digest("a", "bc", 1, b"2"),
        part_digest("ab", "c1", 1, b"2"),
        part_digest("ab", "c", 12, b""),
        part_digest("ab", "c", 1, b"2\0"),
        part_digest("ab", "c", -1, b"2"),
    ]
    assert len(set(digests)) == len(digests)


parts = st.tuples(st.text(max_size=3), st.text(max_size=3), st.integers(-2, 20), st.binary())


@given(parts, parts)
def test_two_parts_have_one_digest_only_if_they_are_the_same(
    one: tuple[str, str, int, bytes], other: tuple[str, str, int, bytes]
) -> None:
    assert (part_digest(*one) == part_digest(*other)) == (one == other)


lists = st.dictionaries(st.integers(-1, 12), st.sampled_from([b"a" * 32, b"b" * 32]), max_size=4)


@given(lists, lists)
def test_two_lists_of_parts_have_one_digest_only_if_they_are_the_same(
    one: dict[int, bytes], other: dict[int, bytes]
) -> None:
    digests = [snapshot_digest("run", "c", each) for each in (one, other)]
    assert (digests[0] == digests[1]) == (one == other)
