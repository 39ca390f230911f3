from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from runtime.identity import EMPTY, merkle_root, run_root

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

digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
heads = st.dictionaries(st.text(min_size=1, max_size=8), digests, max_size=6)


@pytest.mark.parametrize("count", range(9))
def test_roots_are_those_of_certificate_transparency(count: int):
    assert merkle_root(LEAVES[:count]).hex() == ROOTS[count]


@given(st.lists(st.binary(max_size=8), max_size=40))
def test_the_root_is_the_recursion_of_rfc_6962(leaves: list[bytes]):
    assert merkle_root(leaves) == _by_definition(leaves)


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
