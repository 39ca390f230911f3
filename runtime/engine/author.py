"""From a strategy's decision to the draft of a signed event. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from numbers import Real
from typing import Any

import msgspec
import numpy as np

from runtime.deciding import Decision
from runtime.errors import DecisionInvalid
from runtime.events import (
    Cause,
    NewEvent,
    cause_fields,
    decision_id,
    decision_stream,
    time_text,
    unsigned_metadata,
)
from runtime.identity import Draft, draft


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__qualname__} {value!r} is neither number, text nor flag")


_ENCODER = msgspec.json.Encoder(enc_hook=_plain)

_PLAIN = frozenset({str, int, bool})
"""Types of facts that need no further look."""

_NUMBERS = frozenset({float, int})


@dataclass(slots=True)
class Chain:
    """Where a decision stream stands: the next revision, and the digest to name in it."""

    stream: str
    revision: int
    previous: str


@dataclass(frozen=True, slots=True)
class Byline:
    """What an agent's decisions all say of their author.

    `stamp` is the strategy's name, version and parameters digest as JSON; `emits` the event
    types it may decide.
    """

    agent: str
    did: str
    run_id: str
    stamp: bytes
    emits: frozenset[str]


def byline(agent: str, did: str, run_id: str, stamp: Mapping[str, str], emits: Any) -> Byline:
    """The byline of an agent whose strategy is stamped `stamp`."""
    return Byline(agent, did, run_id, msgspec.json.encode(stamp), frozenset(emits))


def write_draft(
    line: Byline, chain: Chain, decision: Decision, cause: Cause, ordinal: int, protocol: str
) -> Draft:
    """Draft a decision as the next event of `chain`, which moves on behind it.

    `ordinal` counts the agent's decisions on one cause from 0. Raises `DecisionInvalid`
    naming stream and cause if the decision cannot be stored.
    """
    if not (_is_text(decision.type) and decision.type in line.emits):
        raise _invalid(
            chain,
            cause,
            f"{decision.type!r} is not among what its strategy emits: "
            f"{', '.join(sorted(line.emits))}",
        )
    data = _data(line, chain, decision, protocol, cause)
    event = NewEvent(
        decision_id(line.agent, cause.event_id, ordinal),
        str(decision.type),
        data,
        unsigned_metadata(
            line.run_id, line.did, time_text(cause.time), cause_fields(cause), chain.previous
        ),
    )
    drafted = draft(chain.stream, chain.revision, event)
    chain.revision += 1
    chain.previous = sha256(drafted.message).hexdigest()
    return drafted


def _data(line: Byline, chain: Chain, decision: Decision, protocol: str, cause: Cause) -> bytes:
    apr = decision.apr
    try:
        wrong = _wrong(decision)
        if wrong:
            raise _invalid(chain, cause, wrong)
        return _ENCODER.encode(
            {
                "protocol": protocol,
                "yield": None if apr is None else round(float(apr) * 100.0, 6),
                "confidence": decision.confidence,
                "action": decision.action,
                "aggregate": chain.stream.partition("/")[2],
                "reason": decision.reason,
                "features": decision.features,
                "thresholds": decision.thresholds,
                "strategy": msgspec.Raw(line.stamp),
            }
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise _invalid(chain, cause, str(error)) from None


def _wrong(decision: Decision) -> str | None:
    action, confidence, apr = decision.action, decision.confidence, decision.apr
    if not (_is_text(action) and _is_text(decision.reason)):
        return f"its action and reason must be text, were {action!r} and {decision.reason!r}"
    if not action:
        return "its action is empty"
    if not (_is_number(confidence) and 0.0 <= confidence <= 1.0):
        return f"its confidence must lie in [0, 1], was {confidence!r}"
    if apr is not None and not (_is_number(apr) and isfinite(float(apr) * 100.0)):
        return f"its apr must be finite, was {apr!r}"
    return _wrong_fact(decision.features) or _wrong_fact(decision.thresholds)


def _wrong_fact(facts: object) -> str | None:
    if not isinstance(facts, Mapping):
        return f"its features and thresholds must be mappings, one was {facts!r}"
    for name, value in facts.items():
        kind = type(value)
        if type(name) is str and (isfinite(value) if kind is float else kind in _PLAIN):
            continue
        wrong = _wrong_value(name, value)
        if wrong:
            return wrong
    return None


def _wrong_value(name: object, value: object) -> str | None:
    fact = value.item() if isinstance(value, np.generic) else value
    if not (isinstance(name, str) and isinstance(fact, str | int | float)):
        return f"{name!r} is {value!r}, which is neither number, text nor flag"
    if isinstance(fact, float) and not isfinite(fact):
        return f"{name!r} must be finite, was {value!r}"
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return type(value) in _NUMBERS or (isinstance(value, Real) and not isinstance(value, bool))


def _invalid(chain: Chain, cause: Cause, why: str) -> DecisionInvalid:
    return DecisionInvalid(
        f"decision {chain.revision} of {chain.stream}, on row {cause.row} of {cause.source}"
        f" (position {cause.position}): {why}"
    )


def new_chain(agent: str, aggregate: str, genesis: str) -> Chain:
    """The chain of a stream that has no event yet."""
    return Chain(decision_stream(agent, aggregate), 0, genesis)


Sign = Callable[[bytes], bytes]
"""Signs a message: 64 bytes (Ed25519)."""
