"""Who makes a call: by its basic credentials, or by the client's certificate."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import NamedTuple, TypeVar

from grpc import StatusCode

from runtime.store.access import (
    ANONYMOUS,
    DIGEST_BYTES,
    SALT_BYTES,
    Caller,
    Cost,
    Credentials,
    Directory,
    User,
    Verdicts,
    Verifier,
    read_credentials,
)
from runtime.store.wire.calls import Context
from runtime.store.wire.refusal import Refusal, unauthenticated

THREADS = 2
"""Threads that check passwords, each of which takes a while of one core."""

MOST_CHECKS, MOST_OF_ONE = 64, 8
"""Passwords that are checked or wait for it: in all, and those that came over one connection."""

_HEADER = "authorization"

T = TypeVar("T")


class _Check(NamedTuple):
    peer: str
    verdict: asyncio.Task[bool]


class SignIn:
    """Finds out who makes a call; to be made and used inside one running event loop.

    Passwords are checked on threads of its own, and what came of it is remembered for a
    while. Equal credentials that come at the same time are checked once.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._threads = ThreadPoolExecutor(THREADS, "password")
        self._checks: dict[bytes, _Check] = {}
        self._verdicts = Verdicts()
        self._secret = secrets.token_bytes(32)
        self._nobody = Verifier(
            Cost(), secrets.token_bytes(SALT_BYTES), secrets.token_bytes(DIGEST_BYTES)
        )

    async def caller(self, context: Context) -> Caller:
        """Who makes the call; credentials count before a certificate.

        Raises a `Refusal`: `UNAUTHENTICATED` for credentials that are malformed or wrong,
        and for users that are disabled; `RESOURCE_EXHAUSTED` while too many passwords wait
        to be checked.
        """
        headers = [value for key, value in context.invocation_metadata() or () if key == _HEADER]
        if not headers:
            return self._certified(context)
        credentials = read_credentials(_bytes(headers[0])) if len(headers) == 1 else None
        if credentials is None:
            raise unauthenticated()
        user = self._directory.users.find(credentials.login)
        right = await self._checked(credentials, user, context.peer())
        if user is None or not right or user.disabled:
            raise unauthenticated()
        return user.caller

    async def knows(self, context: Context, credentials: Credentials) -> bool:
        """Whether the password is that of the user, who must not be disabled."""
        user = self._directory.users.find(credentials.login)
        right = await self._checked(credentials, user, context.peer())
        return right and user is not None and not user.disabled

    async def hashed(self, password: str) -> Verifier:
        """What to keep of a password that is new."""
        salt = secrets.token_bytes(SALT_BYTES)
        return await self._call(lambda: Verifier.of(password, salt, Cost()))

    def close(self) -> None:
        """Let the threads go; checks that wait are given up."""
        for check in self._checks.values():
            check.verdict.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _certified(self, context: Context) -> Caller:
        names = [*context.auth_context().get("x509_common_name", ())]
        if not names:
            return ANONYMOUS
        user = self._directory.users.find(_text(names[0])) if len(names) == 1 else None
        if user is None or user.disabled:
            raise unauthenticated()
        return user.caller

    async def _checked(self, credentials: Credentials, user: User | None, peer: str) -> bool:
        """Whether the password is right; takes as long for a login that nobody has."""
        verifier = self._nobody if user is None else user.verifier
        key = self._key(credentials)
        known = self._verdicts.recall(key, verifier, time.monotonic())
        if known is not None:
            return known
        check = self._checks.get(key + verifier.digest)
        if check is None:
            check = self._begin(key, credentials, verifier, peer)
        return await asyncio.shield(check.verdict)

    def _begin(self, key: bytes, credentials: Credentials, verifier: Verifier, peer: str) -> _Check:
        of_one = sum(check.peer == peer for check in self._checks.values())
        if len(self._checks) >= MOST_CHECKS or of_one >= MOST_OF_ONE:
            raise Refusal(
                StatusCode.RESOURCE_EXHAUSTED, "Too many passwords wait to be checked: try again"
            )
        work = self._check(key, credentials.password, verifier)
        check = _Check(peer, asyncio.get_running_loop().create_task(work))
        self._checks[key + verifier.digest] = check
        return check

    async def _check(self, key: bytes, password: str, verifier: Verifier) -> bool:
        try:
            right = await self._call(lambda: verifier.verifies(password))
            self._verdicts.remember(key, verifier, time.monotonic(), right=right)
        finally:
            del self._checks[key + verifier.digest]
        return right

    async def _call(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, act)

    def _key(self, credentials: Credentials) -> bytes:
        login, password = (text.encode() for text in credentials)
        return blake2b(b"%d:%b%b" % (len(login), login, password), key=self._secret).digest()


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
