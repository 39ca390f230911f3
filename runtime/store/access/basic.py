"""Basic credentials, as a call carries them (RFC 7617). Pure."""

from __future__ import annotations

from base64 import b64decode
from typing import NamedTuple

from runtime.store.access.password import CONTROL

LONGEST_HEADER = 4_096
"""In bytes; what is longer is taken for no credentials."""


class Credentials(NamedTuple):
    """What a caller says to be: a login and a password, neither of them checked."""

    login: str
    password: str


def read_credentials(header: bytes) -> Credentials | None:
    """The credentials in the value of an `authorization` header, None for anything else.

    >>> read_credentials(b"Basic YWRhOm9wZW46c2VzYW1l")
    Credentials(login='ada', password='open:sesame')
    >>> read_credentials(b"Bearer YWRhOm9wZW4"), read_credentials(b"Basic YWRh")
    (None, None)
    """
    scheme, _, encoded = header[: LONGEST_HEADER + 1].partition(b" ")
    if len(header) > LONGEST_HEADER or scheme.lower() != b"basic":
        return None
    try:
        login, colon, password = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        return None
    sound = colon and login and not CONTROL.search(login + password)
    return Credentials(login, password) if sound else None
