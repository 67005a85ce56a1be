"""What Terraform provisions in the cloud, made through the same clients in the embedded one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from google.api_core.exceptions import AlreadyExists
from google.protobuf import duration_pb2, field_mask_pb2
from google.pubsub_v1 import PublisherClient, SubscriberClient

from sonicgen.cloud.objects import ensure_bucket, ensure_notification
from sonicgen.settings import Settings
from sonicgen.topology import topology

# Nobody waits ten seconds on a laptop for a second try, as in the cloud; all else is the same there.
MINIMUM_BACKOFF_SECONDS = 1
MAXIMUM_BACKOFF_SECONDS = 60


@dataclass(frozen=True)
class Trigger:
    """Which topic drives which function; `max_in_flight` is how many events it is given at a time.

    A function that computes has processes of its own (`is_light` false); those that mostly wait share one.
    """

    function: str
    topic: str
    max_in_flight: int
    is_light: bool = True


def triggers(workers: int) -> tuple[Trigger, ...]:
    """Return every event-driven function's trigger."""
    return tuple(
        Trigger(function.name, function.topic, function.at_once or workers, function.shares_a_process)
        for function in topology().event_functions
        if function.topic is not None
    )


def light_functions(workers: int) -> tuple[str, ...]:
    """Return the functions that share one process."""
    known = topology()
    called = (name for name in known.http_functions if known.functions[name].shares_a_process)
    return (*(trigger.function for trigger in triggers(workers) if trigger.is_light), *called)


def provision(settings: Settings, endpoints: Mapping[str, str], workers: int) -> None:
    """Create buckets, topics and subscriptions, and point every push at the function's present address.

    `endpoints` maps a function's name to its base URL. Safe to run again: what exists is kept, addresses are renewed.
    """
    known = topology()
    for topic in known.topics:
        _ensure_topic(settings.project_id, topic)
    _ensure_subscription(settings.project_id, known.dead_letter_subscription, known.dead_letter_topic)
    for trigger in triggers(workers):
        _ensure_push(settings.project_id, trigger, endpoints[trigger.function])
    names = {"inbox": settings.inbox_bucket, "media": settings.media_bucket}
    for key, bucket in known.raw["buckets"].items():
        ensure_bucket(names[key])
        ensure_notification(names[key], bucket["notify"]["topic"], prefix=bucket["notify"]["prefix"])


def _ensure_topic(project_id: str, topic: str) -> None:
    with PublisherClient() as client:
        try:
            client.create_topic(name=client.topic_path(project_id, topic))
        except AlreadyExists:
            return


def _ensure_subscription(project_id: str, name: str, topic: str, **options: object) -> None:
    with SubscriberClient() as client:
        request = {
            "name": client.subscription_path(project_id, name),
            "topic": f"projects/{project_id}/topics/{topic}",
            "expiration_policy": {},  # never expires
            **options,
        }
        try:
            client.create_subscription(request=request)
        except AlreadyExists:
            if options:
                client.update_subscription(
                    subscription=request, update_mask=field_mask_pb2.FieldMask(paths=sorted(options))
                )


def _ensure_push(project_id: str, trigger: Trigger, base_url: str) -> None:
    known = topology()
    topic = f"projects/{project_id}/topics/{trigger.topic}"
    # Our own events arrive as native CloudEvents; what buckets, the scheduler and people send is wrapped in JSON.
    wrapper = {} if known.wrapped_topics[trigger.topic] else {"no_wrapper": {"write_metadata": True}}
    _ensure_subscription(
        project_id,
        trigger.function.replace("_", "-"),
        trigger.topic,
        ack_deadline_seconds=known.ack_deadline_seconds,
        # functions-framework reads the topic from the path and puts it into the event's source
        push_config={"push_endpoint": f"{base_url}/{topic}", **wrapper},
        labels={"max-in-flight": str(trigger.max_in_flight)},
        retry_policy={
            "minimum_backoff": duration_pb2.Duration(seconds=MINIMUM_BACKOFF_SECONDS),
            "maximum_backoff": duration_pb2.Duration(seconds=MAXIMUM_BACKOFF_SECONDS),
        },
        dead_letter_policy={
            "dead_letter_topic": f"projects/{project_id}/topics/{known.dead_letter_topic}",
            "max_delivery_attempts": known.max_delivery_attempts,
        },
    )
