"""What Terraform provisions in the cloud, made through the same clients in the embedded one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from google.api_core.exceptions import AlreadyExists
from google.protobuf import duration_pb2, field_mask_pb2
from google.pubsub_v1 import PublisherClient, SubscriberClient

from sonicgen.cloud.objects import ensure_bucket, ensure_notification
from sonicgen.settings import Settings

MEDIA_OBJECTS = "media-objects"
RECORDING_FINGERPRINTED = "recording-fingerprinted"
CHANNEL_INGEST = "channel-ingest"
VIDEO_DISCOVERED = "video-discovered"
TRANSCRIPT_COMPLETED = "transcript-completed"
TRANSCRIPT_READY = "transcript-ready"
MAINTENANCE = "maintenance"
DEAD_LETTERS = "dead-letters"
DEAD_LETTERS_HOLD = "dead-letters-hold"

# The same values as in the cloud, but for the backoff: nobody waits ten seconds on a laptop for a second try.
ACK_DEADLINE_SECONDS = 600
MINIMUM_BACKOFF_SECONDS = 1
MAXIMUM_BACKOFF_SECONDS = 60
MAX_DELIVERY_ATTEMPTS = 10
# Sources mostly wait for others' servers, but those servers count requests.
SOURCES_AT_ONCE = 4
# Each is a process of its own, about 80 MB.
DOWNLOADS_AT_ONCE = 2


@dataclass(frozen=True)
class Trigger:
    """Which topic drives which function; `max_in_flight` is how many events it is given at a time.

    A function that computes has processes of its own (`is_light` false); those that mostly wait share one.
    """

    function: str
    topic: str
    max_in_flight: int
    is_light: bool = True


# Functions that are called over HTTP instead of by events.
HTTP_FUNCTIONS: tuple[str, ...] = ("websub_callback", "transcription_webhook")
# Topics that functions publish to, beyond those that drive one.
OTHER_TOPICS: tuple[str, ...] = (DEAD_LETTERS,)


def triggers(workers: int) -> tuple[Trigger, ...]:
    """Return every event-driven function's trigger."""
    return (
        Trigger("fingerprint_match", MEDIA_OBJECTS, workers, is_light=False),
        Trigger("channel_ingest", CHANNEL_INGEST, SOURCES_AT_ONCE),
        Trigger("video_download", VIDEO_DISCOVERED, DOWNLOADS_AT_ONCE),
        Trigger("transcription_submit", RECORDING_FINGERPRINTED, 2),
        Trigger("transcript_fetch", TRANSCRIPT_COMPLETED, 2),
        Trigger("transcript_inherit", TRANSCRIPT_READY, 2),
        Trigger("maintenance", MAINTENANCE, 1),
    )


def light_functions(workers: int) -> tuple[str, ...]:
    """Return the functions that share one process."""
    return (*(trigger.function for trigger in triggers(workers) if trigger.is_light), *HTTP_FUNCTIONS)


def provision(settings: Settings, endpoints: Mapping[str, str], workers: int) -> None:
    """Create buckets, topics and subscriptions, and point every push at the function's present address.

    `endpoints` maps a function's name to its base URL. Safe to run again: what exists is kept, addresses are renewed.
    """
    for topic in dict.fromkeys((*(trigger.topic for trigger in triggers(workers)), *OTHER_TOPICS)):
        _ensure_topic(settings.project_id, topic)
    _ensure_subscription(settings.project_id, DEAD_LETTERS_HOLD, DEAD_LETTERS)
    for trigger in triggers(workers):
        _ensure_push(settings.project_id, trigger, endpoints[trigger.function])
    ensure_bucket(settings.inbox_bucket)
    ensure_bucket(settings.media_bucket)
    ensure_notification(settings.inbox_bucket, MEDIA_OBJECTS)
    ensure_notification(settings.media_bucket, MEDIA_OBJECTS, prefix="audio/")


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
    topic = f"projects/{project_id}/topics/{trigger.topic}"
    _ensure_subscription(
        project_id,
        trigger.function.replace("_", "-"),
        trigger.topic,
        ack_deadline_seconds=ACK_DEADLINE_SECONDS,
        # functions-framework reads the topic from the path and puts it into the event's source
        push_config={"push_endpoint": f"{base_url}/{topic}"},
        labels={"max-in-flight": str(trigger.max_in_flight)},
        retry_policy={
            "minimum_backoff": duration_pb2.Duration(seconds=MINIMUM_BACKOFF_SECONDS),
            "maximum_backoff": duration_pb2.Duration(seconds=MAXIMUM_BACKOFF_SECONDS),
        },
        dead_letter_policy={
            "dead_letter_topic": f"projects/{project_id}/topics/{DEAD_LETTERS}",
            "max_delivery_attempts": MAX_DELIVERY_ATTEMPTS,
        },
    )
