"""The bus against the embedded Pub/Sub, through Google's clients."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.pubsub_v1 import PublisherClient, SubscriberClient

from sonicgen.cloud import bus
from sonicgen.errors import InputError, NotFoundError, UnavailableError
from sonicgen.local.pubsub import PubsubServer
from sonicgen.settings import settings

TOPIC = "projects/test/topics/video-discovered"
READER = "projects/test/subscriptions/video-download"
GRAVE = "projects/test/topics/dead-letters"
GRAVE_READER = "projects/test/subscriptions/dead-letters"


@dataclass(frozen=True)
class Found:
    id: str = "event-1"
    type: str = "sonicgen.video.discovered.v1"
    source: str = "//sonicgen/channel_ingest"
    time: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    data: Mapping[str, Any] = field(default_factory=lambda: {"video": "é"})


@dataclass
class Service:
    publisher: Any
    subscriber: Any

    def pull(self, subscription: str, count: int = 10) -> list[Any]:
        received = self.subscriber.pull(subscription=subscription, max_messages=count, timeout=10).received_messages
        return list(received)

    def bury(self, count: int) -> None:
        """Let every waiting message of the reader fail until it lies among the dead letters."""
        for _ in range(5 * count):
            ids = [each.ack_id for each in self.pull(READER, 1)]
            self.subscriber.modify_ack_deadline(subscription=READER, ack_ids=ids, ack_deadline_seconds=0)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def call(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(20)

    server = PubsubServer(tmp_path / "pubsub.sqlite")
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{call(server.start())}")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")
    monkeypatch.setattr(bus, "PULL_SECONDS", 0.3)
    settings.cache_clear()
    publisher, subscriber = PublisherClient(), SubscriberClient()
    publisher.create_topic(name=TOPIC)
    publisher.create_topic(name=GRAVE)
    policy = {"dead_letter_topic": GRAVE, "max_delivery_attempts": 5}
    subscriber.create_subscription(request={"name": READER, "topic": TOPIC, "dead_letter_policy": policy})
    subscriber.create_subscription(name=GRAVE_READER, topic=GRAVE)
    yield Service(publisher, subscriber)
    bus.close()
    settings.cache_clear()
    publisher.transport.close()
    subscriber.transport.close()
    call(server.stop())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_event_travels_as_a_cloud_event(service: Service) -> None:
    number = bus.publish_event("video-discovered", Found())
    (received,) = service.pull(READER)
    assert received.message.message_id == number
    assert json.loads(received.message.data) == {"video": "é"}
    assert dict(received.message.attributes) == {
        "ce-id": "event-1",
        "ce-type": "sonicgen.video.discovered.v1",
        "ce-source": "//sonicgen/channel_ingest",
        "ce-specversion": "1.0",
        "ce-time": "2026-01-02T03:04:05Z",
        "Content-Type": "application/json",
    }


def test_many_events_go_in_few_requests(service: Service) -> None:
    ids = bus.publish_events(TOPIC, [Found(id=f"{n}") for n in range(1100)])
    assert len(set(ids)) == 1100
    assert bus.publish_events(TOPIC, []) == []


def test_errors_are_ours(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFoundError, match="projects/test/topics/nowhere does not exist"):
        bus.publish_event("nowhere", Found())
    with pytest.raises(NotFoundError, match="does not exist"):
        bus.list_dead_letters("nowhere")
    with pytest.raises(InputError, match="1024 bytes"):
        bus.publish_event(TOPIC, Found(source="x" * 2000))
    bus.close()
    monkeypatch.setattr(bus, "CALL_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(UnavailableError, match="try again later"):
            bus.publish_event(TOPIC, Found())


def test_dead_letters_are_listed_and_stay(service: Service) -> None:
    bus.publish_events(TOPIC, [Found(id="a"), Found(id="b")])
    service.bury(2)
    for _ in range(2):
        letters = bus.list_dead_letters("dead-letters")
        assert {letter.event_id for letter in letters} == {"a", "b"}
    assert letters[0].source_subscription == READER
    assert letters[0].attempts == 5
    assert letters[0].event_type == "sonicgen.video.discovered.v1"
    assert len(bus.list_dead_letters("dead-letters", limit=1)) == 1


def test_replay_brings_events_back_as_they_were(service: Service) -> None:
    bus.publish_events(TOPIC, [Found(id="a"), Found(id="b"), Found(id="c")])
    service.bury(3)
    replayed = list(bus.replay_dead_letters("dead-letters", limit=2))
    assert len(replayed) == 2
    back = service.pull(READER)
    assert {each.message.attributes["ce-id"] for each in back} == {letter.event_id for letter in replayed}
    assert not any(key.startswith("CloudPubSub") for each in back for key in each.message.attributes)
    assert [each.delivery_attempt for each in back] == [1, 1]
    assert len(bus.list_dead_letters("dead-letters")) == 1


def test_abandoned_replay_puts_the_rest_back(service: Service) -> None:
    bus.publish_events(TOPIC, [Found(id="a"), Found(id="b")])
    service.bury(2)
    replay = bus.replay_dead_letters("dead-letters")
    next(replay)
    replay.close()  # type: ignore[attr-defined]
    assert len(bus.list_dead_letters("dead-letters")) == 1


def test_letter_without_a_source_stays(service: Service) -> None:
    bus.publish_event("dead-letters", Found(id="stray"))
    bus.publish_event(TOPIC, Found(id="orphan"))
    service.bury(1)
    service.publisher.delete_topic(topic=TOPIC)
    assert list(bus.replay_dead_letters("dead-letters")) == []
    assert {letter.event_id for letter in bus.list_dead_letters("dead-letters")} == {"stray", "orphan"}
