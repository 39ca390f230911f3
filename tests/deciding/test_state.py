from __future__ import annotations

from collections.abc import MutableSet
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from runtime.deciding import StateCodec
from runtime.errors import StateInvalid


@dataclass(slots=True)
class Pool:
    rate: float
    name: str = ""
    known: bool = False


@dataclass(slots=True)
class Portfolio:
    cash: float = 0.0
    moves: int = 0
    held: Pool | None = None
    pools: dict[str, Pool] = field(default_factory=dict)
    recent: list[float] = field(default_factory=list)
    pair: tuple[int, str] = (0, "")
    raw: bytes = b""


@dataclass(slots=True)
class Arrays:
    values: NDArray[Any]


@dataclass(slots=True)
class Tree:
    value: int
    children: list[Tree] = field(default_factory=list)


@dataclass(slots=True)
class HoldsSet:
    names: set[str]


@dataclass(slots=True)
class HoldsFrozenSet:
    names: dict[str, list[frozenset[int] | None]]


@dataclass(slots=True)
class HoldsAbstractSet:
    names: AbstractSet[str]


@dataclass(slots=True)
class HoldsMutableSet:
    names: MutableSet[str]


@dataclass(slots=True)
class HoldsBareSet:
    names: set  # type: ignore[type-arg]


@dataclass(slots=True)
class HoldsSetDeep:
    parts: list[HoldsSet]


@dataclass(slots=True)
class Unknown:
    part: Nowhere  # type: ignore[name-defined]  # noqa: F821


any_float = st.floats(allow_nan=True, allow_infinity=True)
pools = st.builds(Pool, rate=any_float, name=st.text(max_size=5), known=st.booleans())
portfolios = st.builds(
    Portfolio,
    cash=any_float,
    moves=st.integers(-(2**63), 2**63 - 1),
    held=st.none() | pools,
    pools=st.dictionaries(st.text(max_size=5), pools, max_size=5),
    recent=st.lists(any_float, max_size=5),
    pair=st.tuples(st.integers(0, 9), st.text(max_size=3)),
    raw=st.binary(max_size=9),
)


@given(portfolios)
def test_a_state_survives_its_bytes(state: Portfolio):
    codec = StateCodec(Portfolio)
    again = codec.decode(codec.encode(state))
    assert type(again) is Portfolio
    assert repr(again) == repr(state)
    assert list(again.pools) == list(state.pools)
    assert codec.encode(again) == codec.encode(state)


@given(any_float)
def test_a_float_keeps_every_bit(value: float):
    codec = StateCodec(Portfolio)
    again = codec.decode(codec.encode(Portfolio(cash=value))).cash
    assert np.float64(again).tobytes() == np.float64(value).tobytes()


@given(st.permutations(["a", "b", "c", "d"]))
def test_a_dict_keeps_the_order_in_which_it_was_filled(names: list[str]):
    codec = StateCodec(Portfolio)
    state = Portfolio(pools={name: Pool(0.1) for name in names})
    assert list(codec.decode(codec.encode(state)).pools) == names


@given(
    hnp.arrays(
        st.sampled_from(["f8", "f4", "i8", "i4", "u1", "?", ">f8", "M8[ns]", "U3"]),
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3),
    )
)
def test_an_array_survives_with_type_and_shape(values: NDArray[Any]):
    codec = StateCodec(Arrays)
    for form in (values, values.T.copy(), values[::-1].copy()):
        again = codec.decode(codec.encode(Arrays(form))).values
        assert (again.dtype, again.shape) == (form.dtype, form.shape)
        assert again.tobytes() == form.tobytes()
        assert again.flags.writeable


def test_an_array_whose_layout_would_change_is_refused():
    with pytest.raises(StateInvalid, match="C-contiguous"):
        StateCodec(Arrays).encode(Arrays(np.zeros((2, 3)).T))


def test_numbers_of_numpy_become_numbers():
    state = Portfolio(cash=np.float64(0.5), moves=np.int64(3), recent=[np.float32(0.25)])  # type: ignore[list-item]
    again = StateCodec(Portfolio).decode(StateCodec(Portfolio).encode(state))
    assert again == Portfolio(cash=0.5, moves=3, recent=[0.25])
    assert type(again.cash) is float


def test_a_state_may_hold_states_of_its_own_kind():
    codec = StateCodec(Tree)
    tree = Tree(1, [Tree(2), Tree(3, [Tree(4)])])
    assert codec.decode(codec.encode(tree)) == tree


@pytest.mark.parametrize(
    "kind",
    [HoldsSet, HoldsFrozenSet, HoldsAbstractSet, HoldsMutableSet, HoldsBareSet, HoldsSetDeep],
)
def test_a_state_with_a_set_is_refused_at_once(kind: type):
    with pytest.raises(StateInvalid, match=r"Holds\w+\.names holds a set"):
        StateCodec(kind)


@pytest.mark.parametrize("kind", [int, dict, object, msgspec.Struct])
def test_a_state_that_is_no_dataclass_is_refused(kind: type):
    with pytest.raises(StateInvalid, match="declare it as one"):
        StateCodec(kind)


def test_a_state_that_names_an_unknown_type_is_refused():
    with pytest.raises(StateInvalid, match=r"Unknown names a type that is not found.*Nowhere"):
        StateCodec(Unknown)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        len,
        lambda: 0,
        2**64,
        -(2**63) - 1,
        1j,
        np.array([object()]),
        "\ud800",
        Exception(),
    ],
)
def test_what_is_not_declared_data_is_refused(value: Any):
    with pytest.raises(StateInvalid, match="state Portfolio cannot be stored"):
        StateCodec(Portfolio).encode(Portfolio(moves=value))


def test_a_state_that_holds_itself_is_refused():
    state = Portfolio()
    state.recent.append(state.recent)  # type: ignore[arg-type]
    with pytest.raises(StateInvalid, match="cannot be stored"):
        StateCodec(Portfolio).encode(state)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x90",
        msgspec.msgpack.encode({"cash": "x"}),
        msgspec.msgpack.encode({"moves": 1.5}),
        msgspec.msgpack.encode({"held": {"name": "x"}}),
        msgspec.msgpack.encode({"pair": [1]}),
        msgspec.msgpack.encode({})[:-1] + b"\x80\x80",
    ],
)
def test_a_snapshot_that_does_not_fit_is_refused(data: bytes):
    with pytest.raises(StateInvalid, match="does not fit state Portfolio"):
        StateCodec(Portfolio).decode(data)


@dataclass(slots=True)
class Solvent:
    cash: float = 0.0

    def __post_init__(self) -> None:
        assert self.cash >= 0.0, "it has debts"


def test_a_snapshot_that_a_state_refuses_itself_does_not_fit():
    with pytest.raises(StateInvalid, match=r"does not fit state Solvent: .*it has debts"):
        StateCodec(Solvent).decode(msgspec.msgpack.encode({"cash": -1.0}))


def test_a_field_that_another_version_left_is_not_dropped():
    left = msgspec.msgpack.encode({"cash": 1.0, "debt": 2.0})
    assert StateCodec(Portfolio).decode(left).cash == 1.0
    with pytest.raises(StateInvalid, match="state Portfolio has no field 'debt'"):
        StateCodec(Portfolio).inherit(left)


@pytest.mark.parametrize("values", [5, [], ["f8", [2], b"\0" * 8], ["nope", [1], b""], [1, 2, 3]])
def test_a_snapshot_whose_array_is_damaged_is_refused(values: Any):
    with pytest.raises(StateInvalid, match="does not fit state Arrays"):
        StateCodec(Arrays).decode(msgspec.msgpack.encode({"values": values}))


@dataclass(slots=True)
class Level:
    value: float = 0.0


def test_a_state_that_would_come_back_changed_is_refused() -> None:
    with pytest.raises(StateInvalid, match="an int where a float is declared"):
        StateCodec(Level).encode(Level(1))
