"""The service `event_store.client.users.Users`: the users of a server, and their passwords."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import grpc
from grpc import StatusCode

from runtime.errors import UserExists, UserInvalid, UsersUnusable, UserUnknown
from runtime.store.access import Credentials, Directory, User, Users, check_password
from runtime.store.wire.calls import Context, answering
from runtime.store.wire.described import REQUESTS, USERS, user_messages
from runtime.store.wire.desk import Desk
from runtime.store.wire.refusal import (
    Denied,
    Refusal,
    invalid,
    unoffered,
    user_exists,
    user_unknown,
)
from runtime.store.wire.signin import SignIn

SERVICE = f"{USERS}.Users"
METHODS = tuple(name.removesuffix("Req") for name in REQUESTS)

_EPOCH, _MICROSECOND, _TICKS = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1), 10
_EMPTY = b""

_Act = Callable[[Any, Context], Awaitable[None]]


class Management:
    """Changes users for administrators, and passwords for those whose they are.

    A change is in the file of users when it is answered, and counts for every call that
    begins after that.
    """

    def __init__(self, desk: Desk, directory: Directory, sign_in: SignIn) -> None:
        self._desk = desk
        self._directory = directory
        self._sign_in = sign_in
        self._message = user_messages()

    def methods(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        """What carries out each method of the service, by its name."""
        changing: dict[str, _Act] = {
            "Create": self._create,
            "Update": self._update,
            "Delete": self._delete,
            "Disable": partial(self._switch, disabled=True),
            "Enable": partial(self._switch, disabled=False),
            "ChangePassword": self._change_password,
            "ResetPassword": self._reset_password,
        }
        read = grpc.unary_stream_rpc_method_handler(
            self._details,
            request_deserializer=self._message("DetailsReq").FromString,
            response_serializer=self._message("DetailsResp").SerializeToString,
        )
        return {name: self._changing(name, act) for name, act in changing.items()} | {
            "Details": read
        }

    def _changing(self, name: str, act: _Act) -> grpc.RpcMethodHandler[Any, bytes]:
        async def answer(request: Any, context: Context) -> bytes:
            options = request.options
            async with answering(context):
                with _told(options.login_name):
                    await act(options, context)
            return _EMPTY

        return grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=self._message(f"{name}Req").FromString
        )

    async def _create(self, options: Any, context: Context) -> None:
        """Sent twice with the same password, it is done once."""
        await self._administrator(context)
        login = options.login_name
        if self._directory.users.find(login) is not None:
            if await self._sign_in.knows(context, Credentials(login, options.password)):
                return
            raise user_exists(login)
        verifier = await self._sign_in.hashed(check_password(options.password))
        groups = tuple(options.groups)
        user = User(login, verifier, options.full_name, groups, updated=_now())
        await self._change(lambda users: users.added(user))

    async def _update(self, options: Any, context: Context) -> None:
        await self._administrator(context)
        name, groups = options.full_name, tuple(options.groups)
        await self._replace(options.login_name, name=name, groups=groups)

    async def _delete(self, options: Any, context: Context) -> None:
        await self._administrator(context)
        await self._change(lambda users: users.removed(options.login_name))

    async def _switch(self, options: Any, context: Context, *, disabled: bool) -> None:
        await self._administrator(context)
        await self._replace(options.login_name, disabled=disabled)

    async def _reset_password(self, options: Any, context: Context) -> None:
        await self._administrator(context)
        self._directory.users.get(options.login_name)
        verifier = await self._sign_in.hashed(check_password(options.new_password))
        await self._replace(options.login_name, verifier=verifier)

    async def _change_password(self, options: Any, context: Context) -> None:
        caller = await self._sign_in.caller(context)
        login = options.login_name
        old = Credentials(login, options.current_password)
        if caller.login != login or not await self._sign_in.knows(context, old):
            raise Denied
        verifier = await self._sign_in.hashed(check_password(options.new_password))
        await self._replace(login, verifier=verifier)

    async def _details(self, request: Any, context: Context) -> AsyncIterator[Any]:
        """One user, or all of them if none is named."""
        login = request.options.login_name
        async with answering(context):
            caller = await self._sign_in.caller(context)
            if not caller.administers and not (login and caller.login == login):
                raise Denied
            users = self._directory.users
            with _told(login):
                found = [users.get(login)] if login else list(users)
        for user in found:
            yield self._described(user)

    async def _administrator(self, context: Context) -> None:
        caller = await self._sign_in.caller(context)
        if not caller.administers:
            raise Denied

    async def _replace(self, login: str, **changes: Any) -> None:
        at = _now()
        await self._change(
            lambda users: users.changed(replace(users.get(login), updated=at, **changes))
        )

    async def _change(self, change: Callable[[Users], Users]) -> None:
        await self._desk.call(lambda: self._directory.change(change))

    def _described(self, user: User) -> Any:
        answer = self._message("DetailsResp")()
        details = answer.user_details
        details.login_name, details.full_name = user.login, user.name
        details.groups.extend(user.groups)
        details.disabled = user.disabled
        if user.updated is not None:
            ticks = (user.updated - _EPOCH) // _MICROSECOND * _TICKS
            details.last_updated.ticks_since_epoch = ticks
        return answer


def unmanaged() -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
    """The methods of the service where there are no users: they say so."""

    async def refuse(_request: bytes, context: Context) -> bytes:
        async with answering(context):
            raise unoffered("The server asks nobody who they are: it was started without users")

    return dict.fromkeys(METHODS, grpc.unary_unary_rpc_method_handler(refuse))


@contextmanager
def _told(login: str) -> Iterator[None]:
    """Refuse the call, as KurrentDB does, if the block raises an error about users."""
    try:
        yield
    except UserUnknown:
        raise user_unknown(login) from None
    except UserExists:
        raise user_exists(login) from None
    except UserInvalid as error:
        raise invalid(str(error)) from None
    except UsersUnusable as error:
        raise Refusal(StatusCode.UNAVAILABLE, str(error)) from None


def _now() -> datetime:
    return datetime.now(UTC)
