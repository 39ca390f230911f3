from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from runtime.errors import MetadataInvalid
from runtime.identity import EMPTY, merkle_root, merkle_tree, root_from_path, run_root

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
"""The reference leaves of certificate-transparency (`merkle_tree_test.cc`), and their roots."""

ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

PATHS = [
    (
        0,
        8,
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (
        5,
        8,
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 3, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    (
        1,
        5,
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
]
"""Leaf, count and audit path from the same tests of certificate-transparency."""

digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
heads = st.dictionaries(st.text(min_size=1, max_size=8), digests, max_size=6)


@pytest.mark.parametrize("count", range(9))
def test_roots_are_those_of_certificate_transparency(count: int):
    assert merkle_root(LEAVES[:count]).hex() == ROOTS[count]


@given(st.lists(st.binary(max_size=8), max_size=40))
def test_the_root_is_the_recursion_of_rfc_6962(leaves: list[bytes]):
    assert merkle_root(leaves) == _by_definition(leaves)


@pytest.mark.parametrize(("index", "count", "path"), PATHS)
def test_paths_are_those_of_certificate_transparency(index: int, count: int, path: str):
    assert merkle_tree(LEAVES[:count])[1][index].hex() == path
    assert root_from_path(LEAVES[index], index, count, bytes.fromhex(path)).hex() == ROOTS[count]


def test_the_paths_of_seven_leaves_are_those_drawn_in_rfc_6962():
    """Its tree of section 2.1.3, where `m` is called l."""
    a, b, c, d, e, f, j = (sha256(b"\0%d" % number).digest() for number in range(7))
    g, h, i = (sha256(b"\1" + left + right).digest() for left, right in ((a, b), (c, d), (e, f)))
    k, m = (sha256(b"\1" + left + right).digest() for left, right in ((g, h), (i, j)))
    _, paths = merkle_tree([b"%d" % number for number in range(7)])
    assert [paths[at] for at in (0, 3, 4, 6)] == [b + h + m, c + g + m, f + j + k, i + k]


@pytest.mark.parametrize("count", range(1, 71))
def test_every_leaf_of_every_tree_leads_to_its_root(count: int):
    leaves = [b"leaf %d" % number for number in range(count)]
    root, paths = merkle_tree(leaves)
    assert root == merkle_root(leaves)
    assert paths == [_path_by_definition(number, leaves) for number in range(count)]
    for number, (leaf, path) in enumerate(zip(leaves, paths, strict=True)):
        assert root_from_path(leaf, number, count, path) == _by_definition(leaves)


def test_no_leaves_have_no_paths_and_one_leaf_needs_none():
    assert merkle_tree([]) == (merkle_root([]), [])
    assert merkle_tree([b"leaf"]) == (merkle_root([b"leaf"]), [b""])


@pytest.mark.parametrize(("index", "count"), [(0, 0), (-1, 2), (2, 2), (3, 2), (0, -1)])
def test_a_leaf_that_is_not_in_the_tree_has_no_root(index: int, count: int):
    with pytest.raises(MetadataInvalid, match=f"leaf {index} is not in a tree of {count}"):
        root_from_path(b"leaf", index, count, bytes(32))


@given(index=st.integers(0, 69), count=st.integers(1, 70), length=st.integers(0, 300))
def test_a_path_has_exactly_the_nodes_that_its_leaf_needs(index: int, count: int, length: int):
    assume(index < count)
    assume(length != len(_path_by_definition(index, [b""] * count)))
    with pytest.raises(MetadataInvalid, match=f"this one has {length} bytes"):
        root_from_path(b"leaf", index, count, bytes(length))


def test_a_leaf_cannot_pass_for_a_node():
    one, two = (sha256(b"\0" + leaf).digest() for leaf in (b"a", b"b"))
    assert merkle_root([one + two]) != merkle_root([b"a", b"b"])


def test_a_run_without_decisions_has_the_empty_root():
    assert run_root({}) == EMPTY == ROOTS[0]


@given(heads)
def test_the_root_of_a_run_does_not_depend_on_the_order_of_its_streams(all_heads: dict[str, str]):
    assert run_root(dict(reversed(all_heads.items()))) == run_root(all_heads)


@given(heads, heads)
def test_runs_with_other_heads_have_other_roots(one: dict[str, str], two: dict[str, str]):
    assume(one != two)
    assert run_root(one) != run_root(two)


def _by_definition(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = _by_definition(leaves[:split]), _by_definition(leaves[split:])
    return sha256(b"\1" + left + right).digest()


def _path_by_definition(index: int, leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return b""
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return _path_by_definition(index, leaves[:split]) + _by_definition(leaves[split:])
    return _path_by_definition(index - split, leaves[split:]) + _by_definition(leaves[:split])
