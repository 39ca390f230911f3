"""Persistent subscriptions: groups of consumers that share a stream, and where they have come."""

from runtime.store.persistent.commands import Deliver
from runtime.store.persistent.host import Host
from runtime.store.persistent.info import Figures
from runtime.store.persistent.messages import Acked, Action, Nacked
from runtime.store.persistent.place import place_of, place_text
from runtime.store.persistent.roster import ConsumerInfo
from runtime.store.persistent.seat import Seat
from runtime.store.persistent.settings import Name, Settings, Subscription
from runtime.store.persistent.subsystem import Subsystem

__all__ = [
    "Acked",
    "Action",
    "ConsumerInfo",
    "Deliver",
    "Figures",
    "Host",
    "Nacked",
    "Name",
    "Seat",
    "Settings",
    "Subscription",
    "Subsystem",
    "place_of",
    "place_text",
]
