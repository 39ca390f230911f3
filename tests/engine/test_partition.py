from __future__ import annotations

from collections import defaultdict

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.engine.keygroups import GROUPS, assignment, key_group
from runtime.engine.partition import NOWHERE, Part, Partitioner

KEYS = [f"pool-{number}" for number in range(40)]
TEXT = pa.dictionary(pa.int32(), pa.string())

batches = st.lists(st.lists(st.sampled_from(KEYS), max_size=60), min_size=1, max_size=4)
host_counts = st.integers(1, 9)


def rows(keys: list[str], start: int = 0) -> pa.RecordBatch:
    """Rows of these keys; all batches share one dictionary, as those of a feed do."""
    codes = pa.array([KEYS.index(key) for key in keys], pa.int32())
    column = pa.DictionaryArray.from_arrays(codes, pa.array(KEYS))
    positions = pa.array(range(start, start + len(keys)), pa.int64())
    return pa.RecordBatch.from_arrays([column, positions], ["aggregate", "position"])


def placed(part: Part) -> list[tuple[str, int]]:
    columns = (part.rows.column(name).to_pylist() for name in ("aggregate", "position"))
    return list(zip(*columns, strict=True))


@given(batches, host_counts)
def test_every_row_goes_to_the_host_of_its_key_group_once(cut: list[list[str]], count: int):
    hosts = assignment(range(count))
    partitioner = Partitioner()
    for keys in cut:
        parts = partitioner.split(rows(keys), hosts).parts
        found = [one for part in parts for one in placed(part)]
        assert sorted(found, key=lambda one: one[1]) == list(
            zip(keys, range(len(keys)), strict=True)
        )
        for part in parts:
            assert {int(hosts[key_group(key)]) for key, _ in placed(part)} == {part.host}
        assert len({part.host for part in parts}) == len(parts)


@given(batches, host_counts)
def test_rows_of_a_key_stand_together_in_their_order(cut: list[list[str]], count: int):
    partitioner, hosts = Partitioner(), assignment(range(count))
    for keys in cut:
        for part in partitioner.split(rows(keys), hosts).parts:
            names = [key for key, _ in placed(part)]
            assert names == sorted(names)
            by_key = defaultdict(list)
            for key, position in placed(part):
                by_key[key].append(position)
            assert all(positions == sorted(positions) for positions in by_key.values())


@given(batches, host_counts)
def test_a_part_names_the_key_groups_it_touches(cut: list[list[str]], count: int):
    partitioner, hosts = Partitioner(), assignment(range(count))
    for keys in cut:
        for part in partitioner.split(rows(keys), hosts).parts:
            assert part.groups == tuple(sorted({key_group(key) for key, _ in placed(part)}))


@given(st.lists(st.sampled_from(KEYS), max_size=60), host_counts)
def test_what_a_key_is_called_in_another_batch_means_nothing(keys: list[str], count: int):
    shared, own, hosts = Partitioner(), Partitioner(), assignment(range(count))
    column = pa.array(keys, pa.string()).dictionary_encode().cast(TEXT)
    batch = rows(keys)
    fresh = pa.RecordBatch.from_arrays([column, batch.column("position")], batch.schema.names)
    own.split(rows(KEYS[::3]), hosts)
    expected = [(part.host, part.groups, placed(part)) for part in shared.split(batch, hosts).parts]
    assert [
        (part.host, part.groups, placed(part)) for part in own.split(fresh, hosts).parts
    ] == expected


@given(st.lists(st.sampled_from(KEYS), max_size=60), st.sets(st.integers(0, 255), max_size=200))
def test_rows_of_lost_groups_are_left_out(keys: list[str], lost: set[int]):
    hosts = assignment(range(3))
    hosts[list(lost)] = NOWHERE
    parts = Partitioner().split(rows(keys), hosts).parts
    found = sorted(position for part in parts for _, position in placed(part))
    assert found == [at for at, key in enumerate(keys) if key_group(key) not in lost]
    assert all(set(part.groups).isdisjoint(lost) for part in parts)


@given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=3), min_size=1, max_size=4))
def test_parts_follow_the_hosts_of_the_moment(assignments: list[list[int]]):
    partitioner = Partitioner()
    for numbers in assignments:
        hosts = assignment(numbers)
        for part in partitioner.split(rows(KEYS), hosts).parts:
            assert {int(hosts[key_group(key)]) for key, _ in placed(part)} == {part.host}


@given(st.lists(st.sampled_from(KEYS), max_size=60))
def test_the_groups_a_batch_touches_are_named(keys: list[str]):
    hosts = assignment(range(3))
    hosts[0::2] = NOWHERE
    assert Partitioner().split(rows(keys), hosts).groups == tuple(
        sorted({key_group(key) for key in keys})
    )


def test_many_aggregates_are_sorted_as_few_are():
    names = [f"pool-{number}" for number in range(70_000)]
    numbers = [(at * 7_919) % len(names) if at % 3 else 69_999 for at in range(600)]
    chosen = [names[number] for number in numbers]
    column = pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), pa.array(names))
    batch = pa.RecordBatch.from_arrays([column, pa.array(range(600))], ["aggregate", "position"])
    hosts = assignment(range(3))
    found = Partitioner().split(batch, hosts)
    placed_by_hand = {
        host: sorted((name, at) for at, name in enumerate(chosen) if hosts[key_group(name)] == host)
        for host in range(3)
    }
    assert {part.host: placed(part) for part in found.parts} == placed_by_hand


def test_an_empty_batch_has_no_part():
    assert Partitioner().split(rows([]), assignment(range(3))).parts == []


def test_a_growing_dictionary_is_learnt():
    partitioner, hosts = Partitioner(), assignment(range(2))
    for count in (1, 5, 40):
        names = pa.array(KEYS[:count])
        codes = pa.array(range(count), pa.int32())
        column = pa.DictionaryArray.from_arrays(codes, names)
        batch = pa.RecordBatch.from_arrays([column], ["aggregate"])
        parts = partitioner.split(batch, hosts).parts
        found = [key for part in parts for key in part.rows[0].to_pylist()]
        assert sorted(found) == sorted(KEYS[:count])


@given(st.text(min_size=1, max_size=30))
def test_the_key_group_of_a_key_is_one_of_256_for_good(key: str):
    assert 0 <= key_group(key) < GROUPS == 256
    assert key_group(key) == key_group(key)


def test_key_groups_do_not_move_between_versions():
    assert [key_group(key) for key in ("", "a", "base/usdc", "pool-000")] == [46, 222, 169, 38]


@given(st.sets(st.integers(0, 100), min_size=1, max_size=10), st.integers(101, 200))
def test_a_host_that_comes_or_goes_moves_its_own_groups_only(hosts: set[int], new: int):
    before, after = assignment(sorted(hosts)), assignment([*sorted(hosts), new])
    moved = before != after
    assert set(after[moved].tolist()) <= {new}
    assert (after == new).sum() == moved.sum()
    assert set(before.tolist()) <= hosts


@given(st.permutations(range(6)))
def test_the_order_of_hosts_means_nothing(hosts: list[int]):
    assert (assignment(hosts) == assignment(range(6))).all()


@pytest.mark.parametrize("count", [2, 3, 4, 8])
def test_groups_are_spread_over_all_hosts(count: int):
    shares = [int((assignment(range(count)) == host).sum()) for host in range(count)]
    assert sum(shares) == GROUPS
    assert min(shares) > GROUPS / count / 2
    assert max(shares) < GROUPS / count * 2


def test_groups_need_a_host():
    with pytest.raises(ValueError, match="at least one host"):
        assignment([])
