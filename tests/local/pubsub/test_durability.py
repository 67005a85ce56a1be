"""What survives: a restart, a kill at any moment, a full disk."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core import exceptions
from google.pubsub_v1 import PublisherClient, StreamingPullRequest, SubscriberClient

from sonicgen.errors import LocalError
from sonicgen.local.pubsub import PubsubServer

if TYPE_CHECKING:
    from .conftest import Cloud, Endpoint

TOPIC = "projects/test/topics/news"
SUBSCRIPTION = "projects/test/subscriptions/reader"

SERVER = """
import asyncio, sys
from pathlib import Path
from sonicgen.local.pubsub import PubsubServer

async def main():
    server = PubsubServer(Path(sys.argv[1]), port=int(sys.argv[2]))
    await server.start()
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_restart_keeps_everything(cloud: Cloud) -> None:
    cloud.create(labels={"a": "b"})
    cloud.publish("done", "in flight", "waiting")
    done, in_flight = cloud.pull(2)
    cloud.acknowledge([done])
    cloud.restart()
    assert dict(cloud.subscriber.get_subscription(subscription=SUBSCRIPTION).labels) == {"a": "b"}
    again = cloud.pull()
    assert {each.message.data for each in again} == {b"in flight", b"waiting"}
    # An ack id given before the restart still acknowledges.
    cloud.acknowledge([in_flight])
    assert cloud.figures().in_flight == 1
    cloud.publish("later")
    assert cloud.pull()[0].message.data == b"later"


def test_push_goes_on_after_a_restart(cloud: Cloud, endpoint: Endpoint) -> None:
    release = threading.Event()
    endpoint.answer = lambda _: 200 if release.wait(10) else 500
    cloud.create(push_config={"push_endpoint": endpoint.url})
    cloud.publish("a")
    endpoint.wait(1)
    cloud.restart()
    release.set()
    endpoint.wait(2)


def test_stop_ends_streams_with_a_status_that_clients_retry(cloud: Cloud) -> None:
    """The hand-written client opens its stream again after UNAVAILABLE, and gives up after CANCELLED."""
    cloud.create()
    requests = [StreamingPullRequest(subscription=SUBSCRIPTION, stream_ack_deadline_seconds=10)]
    held = threading.Event()

    def send() -> Iterator[StreamingPullRequest]:
        yield from requests
        held.wait(20)

    cloud.publish("a")
    stream = cloud.subscriber.streaming_pull(requests=send(), timeout=20)
    next(stream)
    cloud.call(cloud.server.stop())
    with pytest.raises(exceptions.ServiceUnavailable):
        next(stream)
    held.set()
    cloud.restart()
    assert [each.message.data for each in cloud.pull()] == [b"a"]


def test_full_disk_is_told_and_passes(cloud: Cloud) -> None:
    cloud.create()

    def limit(pages: int) -> None:
        storage = cloud.server._storage
        cloud.call(storage.run(lambda connection, _: connection.execute(f"PRAGMA max_page_count = {pages}").close()))

    limit(1)  # sqlite takes the present size instead
    with pytest.raises(exceptions.ResourceExhausted, match="free some space"):
        cloud.publisher.publish(topic=TOPIC, messages=[{"data": b"x" * 100_000}], retry=None, timeout=10)
    limit(2**30)
    cloud.publish("a")
    assert [each.message.data for each in cloud.pull()] == [b"a"]


def test_foreign_file_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    path.write_bytes(b"this is no database " * 100)
    with pytest.raises(LocalError, match="move it away"):
        cloud.call(PubsubServer(path).start())


def test_taken_port_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="choose a free port"):
        cloud.call(PubsubServer(tmp_path / "second.sqlite", port=cloud.port).start())


class Traffic:
    """Publishes and acknowledges without pause, and knows what the server has confirmed."""

    def __init__(self) -> None:
        self.published: set[bytes] = set()
        self.acknowledged: set[bytes] = set()
        self.asked: set[bytes] = set()
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._publish), threading.Thread(target=self._consume)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _publish(self) -> None:
        client = PublisherClient()
        number = 0
        while not self._stop.is_set():
            batch = [f"{number + n}".encode() for n in range(10)]
            number += 10
            try:
                client.publish(topic=TOPIC, messages=[{"data": data} for data in batch], retry=None, timeout=5)
            except exceptions.GoogleAPIError:
                break
            self.published.update(batch)
        client.transport.close()

    def _consume(self) -> None:
        client = SubscriberClient()
        while not self._stop.is_set():
            try:
                received = client.pull(subscription=SUBSCRIPTION, max_messages=8, retry=None, timeout=5)
                half = list(received.received_messages)[::2]
                if not half:
                    continue
                self.asked.update(each.message.data for each in half)
                ids = [each.ack_id for each in half]
                client.acknowledge(subscription=SUBSCRIPTION, ack_ids=ids, retry=None, timeout=5)
            except exceptions.GoogleAPIError:
                break
            self.acknowledged.update(each.message.data for each in half)
        client.transport.close()


@contextmanager
def _server(database: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SERVER, str(database), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("kill_after", [40, 333, 900])
def test_kill_loses_nothing_and_brings_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., None], kill_after: int
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{port}")
    traffic = Traffic()
    with _server(tmp_path / "q.sqlite", port) as process:
        publisher, subscriber = PublisherClient(), SubscriberClient()
        publisher.create_topic(name=TOPIC)
        subscriber.create_subscription(name=SUBSCRIPTION, topic=TOPIC)
        with traffic.running():
            wait_until(lambda: len(traffic.acknowledged) >= kill_after // 4 and len(traffic.published) >= kill_after)
            process.kill()
        publisher.transport.close()
        subscriber.transport.close()
    with _server(tmp_path / "q.sqlite", port):
        subscriber = SubscriberClient()
        left = _drain(subscriber, len(traffic.published - traffic.asked))
        subscriber.transport.close()
    assert traffic.published - traffic.asked <= left
    assert not traffic.acknowledged & left


def _drain(client: Any, at_least: int) -> set[bytes]:
    """Return what is pulled until all that must be there is, and then what comes at once."""
    found: set[bytes] = set()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        patience = 5 if len(found) < at_least else 0.3
        try:
            answer = client.pull(subscription=SUBSCRIPTION, max_messages=1000, retry=None, timeout=patience)
        except exceptions.DeadlineExceeded:
            break
        ids = [each.ack_id for each in answer.received_messages]
        found.update(each.message.data for each in answer.received_messages)
        if ids:
            client.acknowledge(subscription=SUBSCRIPTION, ack_ids=ids)
    return found
