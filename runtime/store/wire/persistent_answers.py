"""What consumers and operators of persistent subscriptions are answered, and refused. Pure."""

from __future__ import annotations

from grpc import StatusCode

from runtime.errors import (
    SubscriptionDropped,
    SubscriptionError,
    SubscriptionExists,
    SubscriptionFull,
    SubscriptionMissing,
)
from runtime.events import RecordedEvent
from runtime.store.persistent import ConsumerInfo, Deliver, Figures, Subscription, place_text
from runtime.store.protocol import persistent_pb2
from runtime.store.wire.answers import recorded_fields
from runtime.store.wire.refusal import Refusal

_Event = persistent_pb2.ReadResp.ReadEvent
_Info = persistent_pb2.SubscriptionInfo


def confirmed(subscription: Subscription) -> persistent_pb2.ReadResp:
    """That a consumer is connected."""
    confirmation = persistent_pb2.ReadResp.SubscriptionConfirmation(
        subscription_id=str(subscription.name)
    )
    return persistent_pb2.ReadResp(subscription_confirmation=confirmation)


def delivered(delivery: Deliver, *, structured: bool) -> persistent_pb2.ReadResp:
    """An event for a consumer, with its link if it was reached by one."""
    found = delivery.found
    return persistent_pb2.ReadResp(
        event=_Event(
            event=_recorded(found.event, structured=structured),
            link=_recorded(found.link, structured=structured),
            commit_position=found.original.position,
            retry_count=delivery.retries,
        )
    )


def info(subscription: Subscription, figures: Figures) -> persistent_pb2.SubscriptionInfo:
    """How a group is set, and how it stands."""
    settings, (stream, group) = subscription.settings, subscription.name
    return _Info(
        event_source=stream,
        group_name=group,
        status=figures.status,
        connections=[_connection(each) for each in figures.consumers],
        average_per_second=figures.rate.per_second,
        total_items=figures.rate.total,
        count_since_last_measurement=figures.rate.recent,
        last_checkpointed_event_position=_place(stream, figures.checkpoint),
        last_known_event_position=_place(stream, figures.known),
        resolve_link_tos=settings.resolve,
        start_from=place_text(stream, settings.start),
        message_timeout_milliseconds=settings.message_timeout,
        extra_statistics=settings.extra_statistics,
        max_retry_count=settings.max_retries,
        live_buffer_size=settings.live_buffer,
        buffer_size=settings.history_buffer,
        read_batch_size=settings.read_batch,
        check_point_after_milliseconds=settings.checkpoint_after,
        min_check_point_count=settings.min_checkpoint,
        max_check_point_count=settings.max_checkpoint,
        read_buffer_count=figures.fresh,
        live_buffer_count=figures.fresh if figures.live else 0,
        retry_buffer_count=figures.retried,
        total_in_flight_messages=figures.in_flight,
        outstanding_messages_count=figures.in_flight,
        named_consumer_strategy=settings.strategy,
        max_subscriber_count=settings.max_subscribers,
        parked_message_count=figures.parked,
    )


def refused(error: SubscriptionError, stream: str, group: str) -> Refusal:
    """What is told of an error of a group; the texts are those that clients look for."""
    of = f"subscription group {group} on stream {stream}"
    told = {
        SubscriptionExists: (
            StatusCode.ALREADY_EXISTS,
            f"S{of[1:]} exists.",
            "persistent-subscription-exists",
        ),
        SubscriptionMissing: (
            StatusCode.NOT_FOUND,
            f"S{of[1:]} does not exist.",
            "persistent-subscription-does-not-exist",
        ),
        SubscriptionFull: (
            StatusCode.FAILED_PRECONDITION,
            f"Maximum subscriptions reached for {of}.",
            "maximum-subscribers-reached",
        ),
        SubscriptionDropped: (
            StatusCode.CANCELLED,
            f"S{of[1:]} was dropped.",
            "persistent-subscription-dropped",
        ),
    }
    names = (("stream-name", stream), ("group-name", group))
    if type(error) in told:
        code, details, exception = told[type(error)]
        return Refusal(code, details, ("exception", exception), *names)
    failed = ("exception", "persistent-subscription-failed")
    details = f"S{of[1:]} failed: '{error}'"
    return Refusal(StatusCode.INTERNAL, details, failed, *names, ("reason", str(error)))


def _recorded(event: RecordedEvent | None, *, structured: bool) -> _Event.RecordedEvent | None:
    if event is None:
        return None
    return _Event.RecordedEvent(**recorded_fields(event, structured=structured))


def _connection(consumer: ConsumerInfo) -> _Info.ConnectionInfo:
    measured = [
        _Info.Measurement(key=name, value=value) for name, value in consumer.latencies.items()
    ]
    return _Info.ConnectionInfo(
        username=consumer.user,
        average_items_per_second=consumer.rate.per_second,
        total_items=consumer.rate.total,
        count_since_last_measurement=consumer.rate.recent,
        observed_measurements=measured,
        available_slots=consumer.room,
        in_flight_messages=consumer.in_flight,
        connection_name=consumer.name,
    )


def _place(stream: str, place: int | None) -> str:
    return "" if place is None else place_text(stream, place)
