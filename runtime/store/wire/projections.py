"""The service `event_store.client.projections.Projections`, over the projections of a store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar
from uuid import uuid4

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct, Value
from grpc import StatusCode

from runtime.errors import (
    ProjectionActive,
    ProjectionExists,
    ProjectionFaulted,
    ProjectionInvalid,
    ProjectionMissing,
)
from runtime.store.projections import Definition, Dropped, Mode, Projections, Report, Status
from runtime.store.protocol import projections_pb2, projections_pb2_grpc, shared_pb2
from runtime.store.wire.calls import Context, answering
from runtime.store.wire.desk import Desk
from runtime.store.wire.gate import Gate
from runtime.store.wire.refusal import Refusal, invalid

T = TypeVar("T")
_ENVELOPE = "Envelope callback expected Updated, received {} instead"


class ProjectionService(projections_pb2_grpc.ProjectionsServicer):
    """Makes, changes, runs and asks projections, for those who may operate the server.

    Users may ask how they stand, but not for states and results: these can hold what a
    user must not read.
    """

    def __init__(self, desk: Desk, gate: Gate, projections: Projections) -> None:
        self._desk = desk
        self._gate = gate
        self._projections = projections

    async def Create(  # noqa: N802 (the name of the service's method)
        self, request: projections_pb2.CreateReq, context: Context
    ) -> projections_pb2.CreateResp:
        """Make a projection, and run it."""
        definition = partial(_definition, request.options)
        await self._carry_out(context, lambda: self._projections.create(definition()))
        return projections_pb2.CreateResp()

    async def Update(  # noqa: N802
        self, request: projections_pb2.UpdateReq, context: Context
    ) -> projections_pb2.UpdateResp:
        """Give a projection another query."""
        options = request.options
        asked = options.WhichOneof("emit_option") == "emit_enabled"
        emit = options.emit_enabled if asked else None
        act = partial(self._projections.update, options.name, options.query, emit)
        await self._carry_out(context, act)
        return projections_pb2.UpdateResp()

    async def Delete(  # noqa: N802
        self, request: projections_pb2.DeleteReq, context: Context
    ) -> projections_pb2.DeleteResp:
        """Forget a projection, and hide what is named of its streams."""
        options = request.options
        dropped = Dropped(
            checkpoints=options.delete_checkpoint_stream,
            results=options.delete_state_stream,
            emitted=options.delete_emitted_streams,
        )
        await self._carry_out(context, partial(self._projections.delete, options.name, dropped))
        return projections_pb2.DeleteResp()

    async def Enable(  # noqa: N802
        self, request: projections_pb2.EnableReq, context: Context
    ) -> projections_pb2.EnableResp:
        """Run a projection."""
        await self._carry_out(context, partial(self._projections.enable, request.options.name))
        return projections_pb2.EnableResp()

    async def Disable(  # noqa: N802
        self, request: projections_pb2.DisableReq, context: Context
    ) -> projections_pb2.DisableResp:
        """Stop a projection, with a checkpoint or without."""
        options = request.options
        keep = options.write_checkpoint
        act = partial(self._projections.disable, options.name, checkpoint=keep)
        await self._carry_out(context, act)
        return projections_pb2.DisableResp()

    async def Reset(  # noqa: N802
        self, request: projections_pb2.ResetReq, context: Context
    ) -> projections_pb2.ResetResp:
        """Have a projection begin anew."""
        await self._carry_out(context, partial(self._projections.reset, request.options.name))
        return projections_pb2.ResetResp()

    async def State(  # noqa: N802
        self, request: projections_pb2.StateReq, context: Context
    ) -> projections_pb2.StateResp:
        """The state of a partition."""
        options = request.options
        act = partial(self._projections.state, options.name, options.partition)
        async with answering(context):
            found = _value(await self._asked(context, act))
        return projections_pb2.StateResp(state=found)

    async def Result(  # noqa: N802
        self, request: projections_pb2.ResultReq, context: Context
    ) -> projections_pb2.ResultResp:
        """The result of a partition."""
        options = request.options
        act = partial(self._projections.result, options.name, options.partition)
        async with answering(context):
            found = _value(await self._asked(context, act))
        return projections_pb2.ResultResp(result=found)

    async def Statistics(  # noqa: N802
        self, request: projections_pb2.StatisticsReq, context: Context
    ) -> AsyncIterator[projections_pb2.StatisticsResp]:
        """How one projection, those of a mode, or all of them stand."""
        options = request.options
        async with answering(context):
            await self._gate.admit_known(context)
            for report in await self._told(partial(self._reports, options)):
                yield projections_pb2.StatisticsResp(details=details(report))

    async def RestartSubsystem(  # noqa: N802
        self, _request: shared_pb2.Empty, context: Context
    ) -> shared_pb2.Empty:
        """Stop all projections, and run those that are enabled."""
        await self._carry_out(context, self._projections.restart)
        return shared_pb2.Empty()

    async def _carry_out(self, context: Context, act: Callable[[], None]) -> None:
        async with answering(context):
            await self._asked(context, act)

    async def _asked(self, context: Context, act: Callable[[], T]) -> T:
        await self._gate.admit_operator(context)
        return await self._told(act)

    async def _told(self, act: Callable[[], T]) -> T:
        with _refusing():
            return await self._desk.project(act)

    def _reports(self, options: projections_pb2.StatisticsReq.Options) -> list[Report]:
        if options.name:
            return [self._projections.report(options.name)]
        modes = {
            "transient": Mode.TRANSIENT,
            "continuous": Mode.CONTINUOUS,
            "one_time": Mode.ONE_TIME,
        }
        mode = modes.get(options.WhichOneof("mode") or "")
        reports = self._projections.reports()
        return [each for each in reports if mode in (None, each.definition.mode)]


def details(report: Report) -> projections_pb2.StatisticsResp.Details:
    """How a projection stands, as clients are told; positions are those of the log."""
    definition, progress = report.definition, report.progress
    status = progress.status.value
    if definition.enabled and progress.status in (Status.STOPPED, Status.FAULTED):
        status += " (Enabled)"
    share = 1.0 if report.end <= 0 else max(progress.position, 0) / report.end
    return projections_pb2.StatisticsResp.Details(
        coreProcessingTime=int(progress.seconds * 1000),
        version=definition.version,
        epoch=definition.epoch,
        effectiveName=definition.name,
        name=definition.name,
        mode=definition.mode.value,
        status=status,
        stateReason=progress.reason,
        position=_position(progress.position),
        progress=100.0 * min(share, 1.0),
        lastCheckpoint=_position(progress.checkpoint),
        eventsProcessedAfterRestart=progress.handled,
    )


def _position(position: int) -> str:
    return f"C:{position}/P:{position}" if position >= 0 else ""


def _definition(options: projections_pb2.CreateReq.Options) -> Definition:
    """The projection that a client wants made; raises a `Refusal`."""
    which = options.WhichOneof("mode")
    if which == "one_time":
        name, mode = str(uuid4()), Mode.ONE_TIME
    elif which == "transient":
        name, mode = options.transient.name, Mode.TRANSIENT
    elif which == "continuous":
        name, mode = options.continuous.name, Mode.CONTINUOUS
    else:
        raise invalid("the projection has no mode: say one_time, transient or continuous")
    if not name.strip() or "\0" in name:
        raise invalid("the name of the projection is empty or holds a NUL")
    emit, track = options.continuous.emit_enabled, options.continuous.track_emitted_streams
    if track and not emit:
        raise invalid("EmitEnabled must be set to true to track emitted streams.")
    return Definition(
        name,
        0,
        options.query,
        mode=mode,
        enabled=True,
        emit_enabled=emit,
        track_emitted_streams=track,
    )


def _value(text: str | None) -> Value:
    """A JSON text as clients are given it; an empty object if there is none."""
    if text is None or text == "null":
        return Value(struct_value=Struct())
    value = Value()
    try:
        json_format.Parse(text, value)
    except json_format.ParseError:
        raise Refusal(StatusCode.INTERNAL, "the state cannot be told: it is too deep") from None
    return value


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn what projections raise into what clients are told."""
    try:
        yield
    except ProjectionMissing as error:
        raise Refusal(StatusCode.NOT_FOUND, str(error)) from None
    except ProjectionExists as error:
        told = _ENVELOPE.format("Conflict")
        raise Refusal(StatusCode.UNKNOWN, f"{told}: {error}") from None
    except ProjectionActive as error:
        told = _ENVELOPE.format("OperationFailed")
        raise Refusal(StatusCode.UNKNOWN, f"{told}: {error}") from None
    except ProjectionInvalid as error:
        raise invalid(str(error)) from None
    except ProjectionFaulted as error:
        raise Refusal(StatusCode.FAILED_PRECONDITION, str(error)) from None
