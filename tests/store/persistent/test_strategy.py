"""Which consumer each strategy chooses."""

from __future__ import annotations

from collections.abc import Callable

from runtime.store.link import Resolved
from runtime.store.persistent.strategy import (
    DispatchToSingle,
    Pinned,
    PinnedByCorrelation,
    RoundRobin,
    Strategy,
)
from tests.store.persistent.driver import event


def joined(strategy: Strategy, consumers: int = 3) -> Strategy:
    for consumer in range(1, consumers + 1):
        strategy.join(consumer)
    return strategy


def room(*full: int) -> Callable[[int], bool]:
    return lambda consumer: consumer not in full


def of(stream: str, metadata: bytes = b"") -> Resolved:
    return Resolved(event(0, stream, metadata=metadata))


ANY = of("s-1")


def test_round_robin_takes_turns_among_those_with_room() -> None:
    strategy = joined(RoundRobin())
    assert [strategy.choose(ANY, room(2)) for _ in range(4)] == [1, 3, 1, 3]
    assert strategy.choose(ANY, room(1, 2, 3)) is None
    strategy.leave(3)
    assert {strategy.choose(ANY, room()) for _ in range(4)} == {1, 2}


def test_dispatch_to_single_stays_until_one_is_full() -> None:
    strategy = joined(DispatchToSingle())
    assert [strategy.choose(ANY, room()) for _ in range(3)] == [1, 1, 1]
    assert [strategy.choose(ANY, room(1)) for _ in range(2)] == [2, 2]
    assert strategy.choose(ANY, room()) == 2
    assert strategy.choose(ANY, room(1, 2, 3)) is None


def test_pinned_binds_a_stream_as_long_as_its_consumer_is_there() -> None:
    strategy = joined(Pinned(), 2)
    names = [f"s-{number}" for number in range(40)]
    bound = {name: strategy.choose(of(name), room()) for name in names}
    assert set(bound.values()) == {1, 2}
    strategy.join(3)
    assert {name: strategy.choose(of(name), room()) for name in names} == bound
    mine = next(name for name in names if bound[name] == 1)
    assert strategy.choose(of(mine), room(1)) is None
    strategy.leave(1)
    assert strategy.choose(of(mine), room()) in {2, 3}
    assert all(strategy.choose(of(n), room()) == 2 for n in names if bound[n] == 2)


def test_pinned_shares_streams_evenly() -> None:
    strategy = joined(Pinned(), 2)
    chosen = [strategy.choose(of(f"s-{number}"), room()) for number in range(200)]
    assert 80 <= chosen.count(1) <= 120


def test_pinned_follows_links_that_are_not_resolved() -> None:
    strategy = Pinned()
    unresolved = Resolved(event(0, "$ce-s", type="$>", data=b"3@s-7"))
    resolved = Resolved(event(3, "s-7"), event(0, "$ce-s", type="$>"))
    gone = Resolved(None, event(0, "$ce-s", type="$>", data=b"3@s-7"))
    assert {strategy.key(each) for each in (unresolved, resolved, gone)} == {"s-7"}
    assert strategy.key(Resolved(event(0, "$ce-s", type="$>", data=b"nonsense"))) == "$ce-s"


def test_pinned_by_correlation() -> None:
    strategy = PinnedByCorrelation()
    assert strategy.key(of("s-1", b'{"$correlationId":"c"}')) == "c"
    for metadata in (b"", b"{}", b"[1]", b'{"$correlationId":7}', b"\xff"):
        assert strategy.key(of("s-1", metadata)) == "s-1"


def test_whatever_a_correlation_id_holds_it_can_be_pinned() -> None:
    strategy = joined(PinnedByCorrelation(), 1)
    for text in (rb"\ud800", rb"\u0000", "\U0001f600".encode()):
        found = of("s-1", b'{"$correlationId":"' + text + b'"}')
        assert strategy.choose(found, room()) == 1
