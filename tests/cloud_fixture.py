"""The embedded servers (buckets, bus, documents) for tests of steps, and a provider that speaks AssemblyAI's HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from google.api_core.exceptions import AlreadyExists
from google.pubsub_v1 import PublisherClient, SubscriberClient

from sonicgen.cloud import bus, documents
from sonicgen.cloud.objects import ensure_bucket
from sonicgen.local.supervisor import free_port
from sonicgen.settings import read_settings
from sonicgen.steps.services import Services

TOPICS = (
    "recording-fingerprinted",
    "transcript-completed",
    "transcript-ready",
    "clips-ready",
    "voice-jobs",
    "media-objects",
    "maintenance",
)
PROJECT = "sonicgen-local"


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """One set of servers for the run; what tests keep in them is told apart by their ids."""
    folder = tmp_path_factory.mktemp("cloud")
    ports = [free_port() for _ in range(4)]
    command = [sys.executable, "-m", "sonicgen.local.servers", str(folder), *map(str, ports)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    addresses = {
        "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{ports[0]}",
        "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{ports[1]}",
        "FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{ports[2]}",
    }
    try:
        _wait_for_ports(ports)
        yield addresses
    finally:
        process.terminate()
        process.wait(20)


def _wait_for_ports(ports: list[int]) -> None:
    import socket

    deadline = time.monotonic() + 30
    for port in ports:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "the servers do not start"
                time.sleep(0.05)


@dataclass
class Provider:
    """A provider on this machine: jobs stay queued until a test finishes them."""

    port: int
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    posts: int = 0
    # What the next calls answer instead: (path's pattern, status, body).
    failures: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    # Runs when a job is made, before its answer is sent.
    on_post: Callable[[dict[str, Any]], None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def finish(self, job_id: str, lines: list[dict[str, Any]] | None, **more: Any) -> None:
        """End a job with these utterances, as `line` makes them."""
        words = [word for line in lines or [] for word in line["words"]]
        self.jobs[job_id] |= {
            "status": "completed", "utterances": lines, "words": words, "language_code": "en",
            "text": " ".join(line["text"] for line in lines or []), "speech_model_used": "test", **more,
        }  # fmt: skip


def line(speaker: str | None, words: list[tuple[str, float, float]]) -> dict[str, Any]:
    """Return an utterance in AssemblyAI's form; times in seconds."""
    made = [
        {"text": text, "start": round(start * 1000), "end": round(end * 1000), "confidence": 0.9, "speaker": speaker}
        for text, start, end in words
    ]
    return {
        "speaker": speaker, "start": made[0]["start"], "end": made[-1]["end"], "confidence": 0.9,
        "text": " ".join(text for text, _, _ in words), "words": made,
    }  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    provider: Provider
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        size = self.headers.get("content-length")
        body = self.rfile.read(int(size)) if size else b"".join(self._chunks())
        if self._refused():
            return
        if self.path == "/v2/upload":
            address = f"https://cdn.test/upload/{uuid4()}"
            self.provider.uploads[address] = body
            self._answer(200, {"upload_url": address})
            return
        self.provider.posts += 1
        job = {"id": str(uuid4()), "status": "queued", "created": "2026-11-21T05:00:00", **json.loads(body)}
        self.provider.jobs[job["id"]] = job
        if self.provider.on_post is not None:
            self.provider.on_post(job)
        self._answer(200, job)

    def do_GET(self) -> None:
        if self._refused():
            return
        parts = urlsplit(self.path)
        if parts.path == "/v2/transcript":
            limit = int(parse_qs(parts.query).get("limit", ["10"])[0])
            shown = list(reversed(self.provider.jobs.values()))[:limit]
            items = [
                {**{name: job[name] for name in ("id", "status", "created", "audio_url")}, "resource_url": "x"}
                for job in shown
            ]
            page = {"limit": limit, "result_count": len(items), "current_url": "x", "prev_url": None, "next_url": None}
            self._answer(200, {"page_details": page, "transcripts": items})
            return
        job = self.provider.jobs.get(parts.path.rpartition("/")[2])
        self._answer(*((200, job) if job else (404, {"error": "Transcript lookup error, transcript id not found"})))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().strip() or b"0", 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _refused(self) -> bool:
        for index, (pattern, status, body) in enumerate(self.provider.failures):
            if re.fullmatch(pattern, f"{self.command} {self.path}"):
                del self.provider.failures[index]
                self._answer(status, body)
                return True
        return False

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider that does what the test says."""
    with served_provider() as made:
        yield made


@contextmanager
def served_provider() -> Iterator[Provider]:
    """Run a provider for as long as the block."""
    made = Provider(0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"provider": made}))
    server.daemon_threads = True
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def make_services(
    emulators: dict[str, str], database_url: str, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Services]]:
    """Make services on real servers, with the test's provider and whatever settings it names."""
    for name, value in emulators.items():
        monkeypatch.setenv(name, value)
    made: list[Services] = []
    with PublisherClient() as publisher:
        for topic in TOPICS:
            with suppress(AlreadyExists):
                publisher.create_topic(name=publisher.topic_path(PROJECT, topic))

    def make(**settings: object) -> Services:
        values = {
            "database_url": database_url, "assemblyai_api_key": "a key", "assemblyai_base_url": provider.url,
            "transcription": "assemblyai", "webhook_url": "https://hook.test/transcription_webhook",
            "webhook_secret": "a secret of ours that is long", "lease_seconds": 4.0,
        }  # fmt: skip
        services = Services(read_settings(**(values | settings)))
        made.append(services)
        return services

    first = make()
    ensure_bucket(first.settings.inbox_bucket)
    ensure_bucket(first.settings.media_bucket)
    yield make
    for services in made:
        services.close()
    bus.close()
    documents.close_client()


@pytest.fixture
def services(make_services: Callable[..., Services]) -> Services:
    """Services with the settings of most tests."""
    return make_services()


class Listener:
    """What is published on a topic from now on."""

    def __init__(self, topic: str) -> None:
        self._client = SubscriberClient()
        self._path = self._client.subscription_path(PROJECT, f"listener-{uuid4()}")
        self._client.create_subscription(name=self._path, topic=f"projects/{PROJECT}/topics/{topic}")

    def take(self, wait: float = 0.5) -> list[dict[str, Any]]:
        """Return the data of all events that came, with their ids."""
        from google.api_core.exceptions import DeadlineExceeded

        found: list[dict[str, Any]] = []
        try:
            while received := self._client.pull(
                subscription=self._path, max_messages=500, timeout=wait, retry=None
            ).received_messages:
                found += [
                    {"ce-id": each.message.attributes["ce-id"], **json.loads(each.message.data)} for each in received
                ]
                self._client.acknowledge(subscription=self._path, ack_ids=[each.ack_id for each in received])
        except DeadlineExceeded:
            return found
        return found

    def close(self) -> None:
        self._client.delete_subscription(subscription=self._path)
        self._client.transport.close()


@pytest.fixture
def ready_events(make_services: Callable[..., Services]) -> Iterator[Listener]:
    """The events `transcript.ready` of a test."""
    listener = Listener("transcript-ready")
    yield listener
    listener.close()
