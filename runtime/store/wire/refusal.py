"""Why a call is refused, as gRPC status and trailers that KurrentDB's clients read."""

from __future__ import annotations

from grpc import StatusCode

from runtime.errors import FilterInvalid, StoreError, StreamDeleted, WrongExpectedVersion
from runtime.store.port import Expected

Trailers = tuple[tuple[str, str | bytes], ...]

REQUIRED = "type", "content-type"
"""The metadata that an event must come with."""


class Refusal(Exception):
    """A call that is not carried out: its status, a sentence, and trailers."""

    def __init__(self, code: StatusCode, details: str, *trailers: tuple[str, str]) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.trailers: Trailers = tuple(_header(*trailer) for trailer in trailers)


class TooBig(Refusal):
    """An append beyond the limit of `most` bytes."""

    def __init__(self, most: int) -> None:
        super().__init__(
            StatusCode.INVALID_ARGUMENT,
            f"Maximum Append Size of {most} Exceeded.",
            ("exception", "maximum-append-size-exceeded"),
            ("maximum-append-size", str(most)),
        )
        self.most = most


class Denied(Refusal):
    """An act that is not open to the caller."""

    def __init__(self) -> None:
        super().__init__(
            StatusCode.PERMISSION_DENIED, "Access Denied", ("exception", "access-denied")
        )


def unauthenticated() -> Refusal:
    """Credentials, or a certificate, that are nobody's; whether the login exists is not told."""
    return Refusal(StatusCode.UNAUTHENTICATED, "Invalid credentials")


class TooLate(Refusal):
    """An append that its client wanted stored at a time which has passed."""

    def __init__(self) -> None:
        super().__init__(StatusCode.DEADLINE_EXCEEDED, "Timeout: the append's deadline has passed")


def invalid(details: str) -> Refusal:
    """A request that cannot be understood."""
    return Refusal(StatusCode.INVALID_ARGUMENT, details)


def deleted(stream: str) -> Refusal:
    """A stream that is deleted for good, or that was expected to exist."""
    return Refusal(
        StatusCode.FAILED_PRECONDITION,
        f"Event stream '{stream}' is deleted.",
        ("exception", "stream-deleted"),
        ("stream-name", stream),
    )


def incomplete(name: str) -> Refusal:
    """An event without one of the `REQUIRED` metadata."""
    return Refusal(
        StatusCode.INVALID_ARGUMENT,
        f"Required Metadata Property '{name}' is missing",
        ("exception", "missing-required-metadata-property"),
        ("required-metadata-properties", ",".join(REQUIRED)),
    )


def unoffered(details: str) -> Refusal:
    """What this server does not do."""
    return Refusal(StatusCode.UNIMPLEMENTED, details)


def user_unknown(login: str) -> Refusal:
    """A user that is not there."""
    return Refusal(
        StatusCode.NOT_FOUND,
        f"User '{login}' is not found.",
        ("exception", "user-not-found"),
        ("login-name", login),
    )


def user_exists(login: str) -> Refusal:
    """A user that is there already."""
    return Refusal(
        StatusCode.FAILED_PRECONDITION,
        "Conflict.",
        ("exception", "user-conflict"),
        ("login-name", login),
    )


def wrong_version(stream: str, expected: int | Expected, actual: int, act: str) -> Refusal:
    """A deletion (`act`: "Delete", say) of a stream that stands elsewhere."""
    wanted = expected_number(expected)
    return Refusal(
        StatusCode.FAILED_PRECONDITION,
        f"{act} failed due to WrongExpectedVersion."
        f" Stream: {stream}, Expected version: {wanted}, Actual version: {actual}",
        ("exception", "wrong-expected-version"),
        ("stream-name", stream),
        ("expected-version", str(wanted)),
        ("actual-version", str(actual)),
    )


def expected_number(expected: int | Expected) -> int:
    """The number that KurrentDB gives to what is expected."""
    numbers = {Expected.NO_STREAM: -1, Expected.ANY: -2, Expected.EXISTS: -4}
    return numbers[expected] if isinstance(expected, Expected) else expected


def of_store(error: StoreError, stream: str) -> Refusal:
    """What an error of the store is told as; `stream` is the one that was asked about.

    Where the store is, its clients are not told.
    """
    if isinstance(error, StreamDeleted):
        return deleted(stream)
    if isinstance(error, FilterInvalid):
        return invalid(str(error))
    assert not isinstance(error, WrongExpectedVersion)
    if type(error) is StoreError:
        return invalid("the store cannot hold or find what was asked: correct the call")
    failed = f"the store failed ({type(error).__name__}): the server's log says how"
    return Refusal(StatusCode.UNAVAILABLE, failed)


def _header(key: str, value: str) -> tuple[str, str]:
    """A trailer; what HTTP headers cannot hold is escaped."""
    plain = (each if " " <= each <= "~" else f"\\u{ord(each):04x}" for each in value)
    return key, "".join(plain)
