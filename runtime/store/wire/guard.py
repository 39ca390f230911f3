"""The gate of a server that has users."""

from __future__ import annotations

from runtime.store.access import Act, Caller, governed
from runtime.store.wire.calls import Context
from runtime.store.wire.desk import Desk
from runtime.store.wire.refusal import Denied
from runtime.store.wire.rights import Rights
from runtime.store.wire.signin import SignIn


class Guard:
    """Lets in whom the access lists name, once they have signed in.

    `anonymous`: callers who say not who they are may do what is open to everybody;
    otherwise nothing.
    """

    def __init__(self, desk: Desk, sign_in: SignIn, *, anonymous: bool) -> None:
        self._sign_in = sign_in
        self._rights = Rights(desk)
        self._anonymous = anonymous

    async def admit(self, context: Context, act: Act, stream: str) -> None:
        """Raise `Denied` unless an access list opens the act to the caller, and as `SignIn` does.

        Metadata streams are governed by the list of the stream that they describe.
        """
        caller = await self._sign_in.caller(context)
        asked = governed(act, stream)
        if asked is None or not self._known(caller):
            raise Denied
        if caller.administers:
            return
        rights = await self._rights.of(asked.stream)
        if not rights.allows(caller, asked.act):
            raise Denied

    async def admit_known(self, context: Context) -> Caller:
        """Raise `Denied` unless the caller has signed in, and as `SignIn` does."""
        caller = await self._sign_in.caller(context)
        if caller.login is None:
            raise Denied
        return caller

    async def admit_operator(self, context: Context) -> None:
        """Raise `Denied` unless the caller is in `$ops` or `$admins`, and as `SignIn` does."""
        caller = await self._sign_in.caller(context)
        if not caller.operates:
            raise Denied

    def _known(self, caller: Caller) -> bool:
        return self._anonymous or caller.login is not None
