"""Services, a web server that they may reach, and an empty media bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sonicgen.cloud.objects import ensure_bucket, ensure_notification
from sonicgen.local.demo_sounds import make_music, write_sound
from sonicgen.local.supervisor import free_port
from sonicgen.steps.services import Services
from sonicgen.steps.video_download import MEDIA_OBJECTS
from tests.media_server import MediaServer, media_server
from tests.unit.steps.video_download.world import TOPIC, World


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Some seconds of our own music as an mp3 file."""
    path = tmp_path_factory.mktemp("music") / "piece.mp3"
    write_sound(path, make_music(5, seconds=8, beats_per_minute=100, metre=4))
    return path.read_bytes()


@pytest.fixture
def server() -> Iterator[MediaServer]:
    """A web server on this machine."""
    with media_server() as running:
        yield running


@pytest.fixture
def world(
    make_source_services: Callable[..., Services],
    topic: Callable[[str], Any],
    server: MediaServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    """Services, a web server that they may reach, and an empty media bucket that tells of its objects."""
    monkeypatch.setenv("SONICGEN_MEDIA_BUCKET", f"media-{uuid4().hex[:12]}")
    monkeypatch.setenv("SONICGEN_ALLOWED_HOSTS", server.place)
    monkeypatch.setenv("SONICGEN_JOBS_ENDPOINT", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("SONICGEN_DOWNLOAD_DIR", str(tmp_path / "downloads"))
    services = make_source_services(download_stall_seconds=2.0)
    discovered, stored = topic(TOPIC), topic(MEDIA_OBJECTS)
    ensure_bucket(services.settings.media_bucket)
    ensure_notification(services.settings.media_bucket, MEDIA_OBJECTS, prefix="audio/")
    return World(services, server, discovered, stored)
