from __future__ import annotations

from collections import defaultdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runtime.engine.sequencer import Sequencer

batches = st.lists(st.sets(st.integers(0, 4), max_size=4), max_size=12)
"""The key groups that each batch touches."""


@given(data=st.data(), touched=batches)
def test_results_of_a_group_are_released_once_and_in_order(data: Any, touched: list[set[int]]):
    sequencer: Sequencer[str] = Sequencer()
    expected = defaultdict(list)
    for seq, groups in enumerate(touched):
        sequencer.expect(seq, sorted(groups))
        for group in groups:
            expected[group].append(seq)
    pending = [(seq, group) for group, seqs in expected.items() for seq in seqs]
    arrivals = data.draw(st.permutations(pending + pending[::2]))
    released = defaultdict(list)
    arrived: set[tuple[int, int]] = set()
    for seq, group in arrivals:
        arrived.add((seq, group))
        for number, result in sequencer.arrive(seq, group, f"{seq}/{group}"):
            assert result == f"{number}/{group}"
            released[group].append(number)
        ready = _ready(expected[group], group, arrived)
        assert released[group] == ready
    assert released == expected
    assert len(sequencer) == 0


@given(data=st.data(), touched=batches)
def test_results_may_come_while_others_are_still_to_be_expected(data: Any, touched: list[set[int]]):
    sequencer: Sequencer[int] = Sequencer()
    under_way: list[tuple[int, int]] = []
    released = defaultdict(list)
    expected = defaultdict(list)
    for seq, groups in enumerate(touched):
        sequencer.expect(seq, sorted(groups))
        under_way += [(seq, group) for group in sorted(groups)]
        for group in groups:
            expected[group].append(seq)
        for _ in range(data.draw(st.integers(0, len(under_way)))):
            one = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
            released[one[1]] += [number for number, _ in sequencer.arrive(*one, one[0])]
    for seq, group in under_way:
        released[group] += [number for number, _ in sequencer.arrive(seq, group, seq)]
    assert {g: seqs for g, seqs in released.items() if seqs} == expected


def test_a_group_does_not_wait_for_another():
    sequencer: Sequencer[str] = Sequencer()
    sequencer.expect(0, [1])
    sequencer.expect(1, [1, 2])
    assert sequencer.arrive(1, 2, "b") == [(1, "b")]
    assert sequencer.arrive(1, 1, "c") == []
    assert len(sequencer) == 2
    assert sequencer.arrive(0, 1, "a") == [(0, "a"), (1, "c")]


def test_results_that_are_all_due_pass_at_once_and_others_change_nothing():
    sequencer: Sequencer[str] = Sequencer()
    for seq in range(3):
        sequencer.expect(seq, [1, 2])
    assert sequencer.passed(0, set())
    assert not sequencer.passed(1, {1, 2}), "batch 0 comes first"
    assert sequencer.passed(0, {1})
    assert not sequencer.passed(1, {1, 2}), "group 2 still waits for batch 0"
    assert sequencer.arrive(1, 2, "b") == []
    assert not sequencer.passed(1, {1}), "a result waits, which might follow"
    assert sequencer.arrive(1, 1, "c") == [(1, "c")]
    assert sequencer.arrive(0, 2, "a") == [(0, "a"), (1, "b")]
    assert sequencer.passed(2, {1, 2})
    assert not sequencer.passed(2, {1}), "it counts once"
    assert len(sequencer) == 0


def test_what_was_never_expected_is_dropped():
    sequencer: Sequencer[str] = Sequencer()
    assert sequencer.arrive(0, 1, "x") == []
    sequencer.expect(3, [1])
    assert sequencer.arrive(2, 1, "x") == []
    assert sequencer.arrive(3, 2, "x") == []
    assert sequencer.arrive(4, 1, "x") == []
    assert sequencer.arrive(3, 1, "a") == [(3, "a")]
    assert sequencer.arrive(3, 1, "b") == []


def _ready(expected: list[int], group: int, arrived: set[tuple[int, int]]) -> list[int]:
    ready = []
    for seq in expected:
        if (seq, group) not in arrived:
            break
        ready.append(seq)
    return ready
