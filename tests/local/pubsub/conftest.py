"""A running server for the real clients, and an HTTP endpoint that answers as a test says."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import pytest
from google.pubsub_v1 import PublisherClient, SubscriberClient

from sonicgen.local.pubsub import PubsubServer, SubscriptionStatistics

T = TypeVar("T")

TOPIC = "projects/test/topics/news"
SUBSCRIPTION = "projects/test/subscriptions/reader"


class Cloud:
    """A server on its own event loop, and generated clients that speak to it."""

    def __init__(self, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database = database
        self.port = 0
        self._monkeypatch = monkeypatch
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def start(self) -> None:
        self.server = PubsubServer(self.database, port=self.port)
        self.port = self.call(self.server.start())
        self._monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{self.port}")
        self.publisher = PublisherClient()
        self.subscriber = SubscriberClient()

    def stop(self) -> None:
        self.publisher.transport.close()
        self.subscriber.transport.close()
        self.call(self.server.stop())

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def create(self, subscription: str = SUBSCRIPTION, topic: str = TOPIC, **settings: Any) -> None:
        if topic not in self.topics():
            self.publisher.create_topic(name=topic)
        self.subscriber.create_subscription(request={"name": subscription, "topic": topic, **settings})

    def topics(self) -> list[str]:
        return [topic.name for topic in self.publisher.list_topics(project="projects/test")]

    def publish(self, *texts: str, topic: str = TOPIC, key: str = "", **attributes: str) -> list[str]:
        messages = [{"data": text.encode(), "attributes": attributes, "ordering_key": key} for text in texts]
        return list(self.publisher.publish(topic=topic, messages=messages).message_ids)

    def pull(self, count: int = 100, subscription: str = SUBSCRIPTION) -> list[Any]:
        answer = self.subscriber.pull(subscription=subscription, max_messages=count, timeout=20)
        return list(answer.received_messages)

    def acknowledge(self, received: list[Any], subscription: str = SUBSCRIPTION) -> None:
        self.subscriber.acknowledge(subscription=subscription, ack_ids=[each.ack_id for each in received])

    def nack(self, received: list[Any], seconds: int = 0, subscription: str = SUBSCRIPTION) -> None:
        self.subscriber.modify_ack_deadline(
            subscription=subscription, ack_ids=[each.ack_id for each in received], ack_deadline_seconds=seconds
        )

    def figures(self, subscription: str = SUBSCRIPTION) -> SubscriptionStatistics:
        figures = {each.subscription: each for each in self.call(self.server.statistics())}
        return figures[subscription]


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Endpoint:
    """What the endpoint was sent, and how it answers: `answer` gives the status for each request."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    answer: Callable[[Request], int] = lambda _: 204

    def wait(self, count: int, seconds: float = 15.0) -> list[Request]:
        wait_until(lambda: len(self.requests) >= count, seconds)
        return list(self.requests)


def wait_until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    running = Cloud(tmp_path / "pubsub.sqlite", monkeypatch)
    try:
        running.start()
        yield running
        running.stop()
    finally:
        running.close()


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[..., None]:
    return wait_until


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    state = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = Request(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            state.requests.append(request)
            status = state.answer(request)
            if status:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/push?from=test"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()
