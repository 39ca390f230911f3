"""Every error Lucent raises on purpose, as one tree.

A leaf is named by its cause; its message names the stream, aggregate, file or
position and says what to do.

    LucentError
    ├── ConfigError            the config, a parameter or a name in it is wrong
    │   ├── UnknownName        a name nothing is registered under
    │   └── ParameterInvalid   a strategy parameter out of its bounds
    ├── FeedError              an input cannot be read as declared
    │   ├── FeedMissing        no such file, or no permission to read it
    │   ├── FeedEmpty          the file holds no row
    │   ├── FeedDamaged        the file is truncated or not what its name says
    │   ├── ColumnMissing      a declared column is absent
    │   ├── RowRejected        rows that cannot be used, under the policy `reject`
    │   └── FeedChanged        the input differs from the one the run began with
    ├── StoreError             the event store cannot do what was asked
    │   ├── StoreMissing       no store at that path
    │   ├── StoreExists        something stands where a new store or file was to be made
    │   ├── StoreForbidden     no permission
    │   ├── StoreLocked        another run writes to it
    │   ├── StoreTooNew        written by a newer Lucent
    │   ├── StoreDamaged       the file is not a sound store
    │   │   └── SnapshotDamaged  a snapshot that is not as it was stored
    │   ├── StoreFull          the disk is full
    │   ├── StoreClosed        it was closed before
    │   ├── Fenced             a later claim took the name over
    │   ├── WrongExpectedVersion  the stream is not at the expected revision
    │   ├── PointMissing       the log does not hold the point to restore it to
    │   ├── ArchiveInvalid     an exported file that cannot be imported
    │   ├── StreamDeleted      the stream was deleted
    │   ├── StreamNotFound     no such stream
    │   ├── EventNotFound      no such event
    │   │   └── EventScavenged it was removed for good
    │   ├── FilterInvalid      a filter that cannot be applied
    │   ├── SubscriptionError  a persistent subscription cannot do what was asked
    │   │   ├── SubscriptionExists   there is one of that name
    │   │   ├── SubscriptionMissing  there is none of that name
    │   │   ├── SubscriptionFull     it has as many consumers as it may have
    │   │   ├── SubscriptionDropped  it was changed, deleted or stopped under its consumers
    │   │   └── SubscriptionFailed   it cannot be served as it is set, or not go on
    │   ├── AddressUnusable    a store cannot be served there, or reached by that address
    │   ├── StoreUnreachable   the server that holds it does not answer
    │   ├── AppendRefused      the server does not take these events
    │   └── ProjectionError    a projection cannot do what was asked
    │       ├── ProjectionMissing  no projection of that name
    │       ├── ProjectionExists   there is one of that name
    │       ├── ProjectionActive   it has to be stopped first
    │       ├── ProjectionInvalid  a query that cannot be run
    │       └── ProjectionFaulted  its code failed, or broke a limit
    ├── AccessError            who may use a served store is not set up right
    │   ├── UsersUnusable      the file of users is missing, malformed or open to others
    │   ├── UserUnknown        no such user
    │   ├── UserExists         a user of that login exists already
    │   └── UserInvalid        a login, password or group that nobody can have
    ├── IdentityError          a key, signature or proof is wrong
    │   ├── KeyMissing         no such key
    │   ├── KeyExists          a key of that name exists already
    │   ├── KeyInvalid         a key file or did:key that cannot be used
    │   ├── PassphraseMissing  no passphrase was given
    │   ├── PassphraseWrong    the passphrase does not open the key
    │   └── MetadataInvalid    event metadata that is not in the signed form
    ├── StrategyError          a strategy broke its contract
    │   ├── Retryable          it asks to be given the event again later
    │   ├── Terminal           it says that the event can never be decided on
    │   ├── DecisionInvalid    it returned something that cannot be signed
    │   └── StateInvalid       a snapshot that its declared state cannot hold
    └── RunError               a run cannot start or go on
        ├── RunConflict        the store holds another run under this name
        ├── QuarantineFull     more events of an aggregate are held than may be
        ├── RunMissing         no such run is going on
        │   └── RunSilent      it goes on, but did not answer in time
        ├── RunInterrupted     the run was stopped before the end of its input
        ├── ReplayDiverged     deciding again gave other bytes than the log holds
        └── HostDied           a host process ended
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MOST_AFTER, MOST_ATTEMPTS = 3600.0, 20
"""The longest a strategy may ask to wait (seconds), and the most often."""


class LucentError(Exception):
    """Base of every error Lucent raises on purpose."""


class ConfigError(LucentError):
    """The config, a parameter or a name in it is wrong."""


class UnknownName(ConfigError):
    """A name that nothing is registered under; offers the nearest valid one.

    >>> str(UnknownName("strategy", "rotatoin", ["rotation", "ewma-zscore"]))
    "unknown strategy 'rotatoin': did you mean 'rotation'? Known: ewma-zscore, rotation"
    """

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f": did you mean {near[0]!r}?" if near else "."
        super().__init__(f"unknown {what} {name!r}{hint} Known: {', '.join(names) or 'none'}")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), str(self))


def _rebuild(kind: type[LucentError], text: str) -> LucentError:
    error = kind.__new__(kind)
    Exception.__init__(error, text)
    return error


class ParameterInvalid(ConfigError):
    """A strategy parameter is out of its bounds or of the wrong type."""


class FeedError(LucentError):
    """An input cannot be read as declared."""


class FeedMissing(FeedError):
    """No such file, or no permission to read it."""


class FeedEmpty(FeedError):
    """The input holds no row."""


class FeedDamaged(FeedError):
    """The file is truncated, or is not what its name says."""


class ColumnMissing(FeedError):
    """A declared column is absent from the input."""


class RowRejected(FeedError):
    """Rows that cannot be used were met under the policy `reject`."""


class FeedChanged(FeedError):
    """The input differs from the one the run began with."""


class StoreError(LucentError):
    """The event store cannot do what was asked."""


class StoreMissing(StoreError):
    """There is no store at that path."""


class StoreExists(StoreError):
    """A file, or what is left of a store, stands where a new one was to be made."""


class StoreForbidden(StoreError):
    """The file system denies access to the store."""


class StoreLocked(StoreError):
    """Another run writes to the store."""


class StoreTooNew(StoreError):
    """A newer Lucent wrote the store."""


class StoreDamaged(StoreError):
    """The file is not a sound store."""


class SnapshotDamaged(StoreDamaged):
    """A snapshot, or the state of a key group in it, is not as it was stored."""


class StoreFull(StoreError):
    """The disk is full; nothing of the refused batch was stored."""


class StoreClosed(StoreError):
    """The store was closed before."""


class Fenced(StoreError):
    """A write under a fence that is not the current one of its name; nothing was stored."""


class WrongExpectedVersion(StoreError):
    """The stream is not at the expected revision; `actual` is where it stands (-1: nowhere)."""

    actual: int = -1


class PointMissing(StoreError):
    """The log does not hold the position or the time that it was to be restored to."""


class ArchiveInvalid(StoreError):
    """An exported file is missing, truncated or damaged; its message names the line or row."""


class StreamDeleted(StoreError):
    """The stream was deleted, for good unless it is appended to without expecting it to exist."""


class StreamNotFound(StoreError):
    """No such stream."""


class EventNotFound(StoreError):
    """No such event."""


class EventScavenged(EventNotFound):
    """The event was removed for good; only its place, its id and its digest are left."""


class FilterInvalid(StoreError):
    """A filter whose pattern is not a regular expression, or takes too long to be matched."""


class SubscriptionError(StoreError):
    """A persistent subscription cannot do what was asked."""


class SubscriptionExists(SubscriptionError):
    """There is a persistent subscription of that name."""


class SubscriptionMissing(SubscriptionError):
    """There is no persistent subscription of that name."""


class SubscriptionFull(SubscriptionError):
    """The persistent subscription has as many consumers as it may have."""


class SubscriptionDropped(SubscriptionError):
    """The persistent subscription was changed, deleted or stopped under its consumers."""


class SubscriptionFailed(SubscriptionError):
    """A persistent subscription that cannot be served as it is set, or cannot go on."""


class AddressUnusable(StoreError):
    """A store cannot be served at that address, or with that certificate, or reached by it."""


class StoreUnreachable(StoreError):
    """The server that holds the store gave no answer for as long as was waited."""


class AppendRefused(StoreError):
    """The server does not take these events, whatever stands in the stream."""


class ProjectionError(StoreError):
    """A projection cannot do what was asked."""


class ProjectionMissing(ProjectionError):
    """No projection of that name."""


class ProjectionExists(ProjectionError):
    """There is a projection of that name."""


class ProjectionActive(ProjectionError):
    """What can only be done to a projection that is stopped."""


class ProjectionInvalid(ProjectionError):
    """A query, or a definition, that cannot be run."""


class ProjectionFaulted(ProjectionError):
    """A projection's code failed or broke a limit; `index`: at which event given (from 0)."""

    index: int | None = None


class AccessError(LucentError):
    """Who may use a served store is not set up right."""


class UsersUnusable(AccessError):
    """The file of users is missing, malformed, or open to other users of the machine."""


class UserUnknown(AccessError):
    """No user of that login."""


class UserExists(AccessError):
    """A user of that login exists already."""


class UserInvalid(AccessError):
    """A login, password or group that nobody can have, or what is kept of a password."""


class IdentityError(LucentError):
    """A key, signature or proof is wrong."""


class KeyMissing(IdentityError):
    """No key of that name."""


class KeyExists(IdentityError):
    """A key of that name exists already."""


class KeyInvalid(IdentityError):
    """A key file or a did:key that cannot be used."""


class PassphraseMissing(IdentityError):
    """No passphrase was given for an encrypted key."""


class PassphraseWrong(IdentityError):
    """The passphrase does not open the key."""


class MetadataInvalid(IdentityError):
    """Event metadata that is not in the signed form."""


class StrategyError(LucentError):
    """A strategy broke its contract."""


class Retryable(StrategyError):
    """What a strategy raises to be given an event again `after` seconds, then twice that, ...

    After `attempts` times (1 to 20, else `ValueError`) it stays; a resumed run tries it at once.

    >>> Retryable("the oracle has not settled", after=0.5, attempts=3).attempts
    3
    """

    def __init__(self, message: str, *, after: float, attempts: int) -> None:
        super().__init__(message)
        if not (0.0 < after <= MOST_AFTER and 1 <= attempts <= MOST_ATTEMPTS):
            needs = f"after in (0, {MOST_AFTER:g}] seconds and attempts in [1, {MOST_ATTEMPTS}]"
            raise ValueError(f"Retryable needs {needs}, got {after!r} and {attempts!r}")
        self.after, self.attempts = float(after), int(attempts)


class Terminal(StrategyError):
    """What a strategy raises on an event that it can never decide on."""


class DecisionInvalid(StrategyError):
    """A strategy returned something that cannot be signed."""


class StateInvalid(StrategyError):
    """A snapshot that the declared state cannot hold."""


class RunError(LucentError):
    """A run cannot start or go on."""


class RunConflict(RunError):
    """The store holds another run under this name, or its agents."""


class QuarantineFull(RunError):
    """More events of a parked aggregate are held than may be."""


class RunMissing(RunError):
    """No run of that name is going on where it was looked for."""


class RunSilent(RunMissing):
    """A run goes on where it was looked for, but did not answer in time."""


class RunInterrupted(RunError):
    """The run was stopped before the end of its input; it can be resumed."""


class ReplayDiverged(RunError):
    """Deciding again gave other bytes than the log holds."""


class HostDied(RunError):
    """A host process ended while the run was going on."""
