"""What strategy and agent authors import. Light and pure."""

from runtime.deciding.agent import Agent
from runtime.deciding.decision import Decision
from runtime.deciding.state import StateCodec
from runtime.deciding.strategy import POISON, Decided, Parameters, Strategy, event_by_event
from runtime.deciding.window import Event, Text, Window, event
from runtime.errors import Retryable, Terminal
from runtime.events import Scalar

__all__ = [
    "POISON",
    "Agent",
    "Decided",
    "Decision",
    "Event",
    "Parameters",
    "Retryable",
    "Scalar",
    "StateCodec",
    "Strategy",
    "Terminal",
    "Text",
    "Window",
    "event",
    "event_by_event",
]
