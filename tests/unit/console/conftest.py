"""The console over real HTTP: its own server, on a database, buckets and an index of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest
import uvicorn
from google.api_core.exceptions import AlreadyExists
from google.pubsub_v1 import PublisherClient

from sonicgen import settings as settings_module
from sonicgen.cloud.objects import ensure_bucket
from sonicgen.console.app import create_app
from sonicgen.domain.recording import Recording
from sonicgen.domain.role import Role
from sonicgen.events.objects import ObjectFinalized
from sonicgen.local.demo_sounds import RATE_HZ, write_sound
from sonicgen.local.postgres import LocalPostgres
from sonicgen.steps import services as services_module
from sonicgen.steps.add_recording import add_recording
from sonicgen.steps.fingerprint_match import fingerprint_match
from sonicgen.steps.services import Services
from sonicgen.store import api_keys, recordings
from tests.acceptance.conftest import sound
from tests.cloud_fixture import PROJECT, TOPICS
from tests.postgres_fixture import url_of


@dataclass
class Console:
    """A running console; `ask` is a client that sits at the same machine."""

    url: str
    services: Services
    ask: httpx.Client
    folder: Path
    pieces: list[Recording]

    def key(self, role: Role) -> dict[str, str]:
        """Make a key and return the header that shows it."""
        return {"X-API-Key": api_keys.add(self.services.database, f"a {role}", role)[1]}

    def clip(self, piece: int, start: float = 5.0, seconds: float = 5.0) -> bytes:
        """Return a stretch of a piece that the index holds (0 or 1), or of one that it does not (2)."""
        path = self.folder / f"clip {piece} {start} {seconds}.mp3"
        if not path.exists():
            samples = sound(60 + piece, 20.0)
            write_sound(path, samples[round(start * RATE_HZ) : round((start + seconds) * RATE_HZ)].astype(np.float32))
        return path.read_bytes()

    @contextmanager
    def configured(self, **changes: object) -> Iterator[None]:
        """Change settings inside the block."""
        before = self.services.settings
        self.services.settings = before.model_copy(update=changes)
        try:
            yield
        finally:
            self.services.settings = before


@pytest.fixture(scope="package")
def console(
    emulators: dict[str, str],
    database_template: str,
    postgres_server: LocalPostgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Console]:
    """One console for all of these tests, which holds two pieces of music."""
    folder = tmp_path_factory.mktemp("console")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulators.items():
            patch.setenv(name, value)
        patch.setenv("DATABASE_URL", _database(postgres_server, database_template))
        patch.setenv("SONICGEN_DATA", str(folder))
        patch.setenv("SONICGEN_DOWNLOAD_DIR", str(folder / "downloads"))
        patch.setenv("SONICGEN_TRANSCRIPTION", "off")
        settings_module.settings.cache_clear()
        services_module.services.cache_clear()
        services = services_module.services()
        with PublisherClient() as publisher:
            for topic in (*TOPICS, "video-discovered"):
                with suppress(AlreadyExists):
                    publisher.create_topic(name=publisher.topic_path(PROJECT, topic))
        for bucket in (services.settings.inbox_bucket, services.settings.media_bucket):
            ensure_bucket(bucket)
        pieces = [_index(services, folder / f"piece {number}.mp3", number) for number in range(2)]
        with _served() as url, httpx.Client(base_url=url, timeout=60) as client:
            yield Console(url, services, client, folder, pieces)
        services.close()
        settings_module.settings.cache_clear()
        services_module.services.cache_clear()


def _database(server: LocalPostgres, template: str) -> str:
    name = "test_console"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"drop database if exists {name} with (force)")
        connection.execute(f"create database {name} template {template} strategy file_copy")
    return url_of(server, name)


def _index(services: Services, path: Path, number: int) -> Recording:
    write_sound(path, sound(60 + number, 20.0))
    added = add_recording(services.settings, path)
    upload = ObjectFinalized(
        bucket=added.bucket, name=added.object_name, generation=added.generation, size_bytes=path.stat().st_size,
        md5=None, content_type="audio/mpeg", event_id=f"piece-{number}", video_id=None,
    )  # fmt: skip
    fingerprint_match(services, upload)
    return recordings.get(services.database, added.recording_id)


@contextmanager
def _served() -> Iterator[str]:
    server = uvicorn.Server(
        uvicorn.Config(create_app(), log_level="warning", proxy_headers=False, timeout_graceful_shutdown=1)
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)


def events_of(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """Yield a stream's events as {id, event, data (text)}."""
    event: dict[str, Any] = {}
    for line in response.iter_lines():
        if line.startswith(":"):
            continue
        name, _, value = line.partition(": ")
        if name:
            event[name] = value
        elif event:
            yield event
            event = {}
