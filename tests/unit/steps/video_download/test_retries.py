"""What is tried again, what is left to a job, and where it ends."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sonicgen.domain.download import RULES, DownloadReason, DownloadState, Fate
from sonicgen.errors import TransientError
from sonicgen.events.video_discovered import VideoDiscovered, parse_video_discovered
from sonicgen.local.jobs import JobsServer
from sonicgen.settings import settings
from sonicgen.steps.add_link import add_link
from sonicgen.steps.retry_downloads import retry_due_downloads, retry_failed_downloads
from sonicgen.steps.services import Services
from sonicgen.steps.video_download import MAXIMUM_ATTEMPTS, video_download
from sonicgen.store import downloads
from tests.unit.steps.video_download.world import World, envelope


def test_retries_follow_the_rule_and_end(world: World) -> None:
    identifier = world.add(world.server.url("/status/503"))
    download = world.download(identifier)
    assert (download.state, download.failures) == ("waiting", 1)
    assert retry_due_downloads(world.services, download.next_attempt_at - timedelta(seconds=1)) == 0
    assert retry_due_downloads(world.services, download.next_attempt_at) == 1
    assert retry_due_downloads(world.services, download.next_attempt_at) == 0
    assert world.work() == 1
    assert world.download(identifier).failures == 2

    soon = Fate(DownloadState.WAITING, datetime.now(UTC))
    tries = len(RULES[DownloadReason.NETWORK].waits_seconds)
    downloads.end(world.services.database, identifier, soon, DownloadReason.NETWORK, None, tries)
    assert retry_due_downloads(world.services) == 1
    assert world.work() == 1
    download = world.download(identifier)
    assert (download.state, download.reason, download.failures) == ("failed", "network", tries + 1)
    assert retry_due_downloads(world.services, datetime.now(UTC) + timedelta(days=365)) == 0
    assert retry_failed_downloads(world.services, DownloadReason.GONE) == 0
    assert retry_failed_downloads(world.services, DownloadReason.NETWORK) == 1
    assert world.work() == 1
    assert (world.download(identifier).state, world.download(identifier).failures) == ("waiting", 1)


def test_what_got_lost_is_found(world: World, music: bytes) -> None:
    identifier = add_link(world.services, world.server.add("/piece.mp3", music, "audio/mpeg"))
    assert len(world.discovered.take()) == 1  # and nobody works on it
    assert downloads.start(world.services.database, identifier) is not None
    assert retry_due_downloads(world.services) == 0
    assert retry_due_downloads(world.services, datetime.now(UTC) + timedelta(hours=7)) == 1
    assert world.work() == 1
    assert world.download(identifier).state is DownloadState.STORED


def test_long_ones_are_left_to_a_job(world: World, music: bytes, tmp_path: Path, monkeypatch: Any) -> None:
    url = world.server.add("/piece.mp3", music, "audio/mpeg")
    database_url = world.services.settings.database_url
    assert database_url is not None
    jobs = JobsServer(0, tmp_path / "jobs.log", lambda: {**os.environ, "DATABASE_URL": database_url})
    jobs.start()
    monkeypatch.setenv("SONICGEN_JOBS_ENDPOINT", f"127.0.0.1:{jobs.port}")
    settings.cache_clear()
    try:
        identifier = add_link(world.services, url)
        world.discovered.take()
        event = VideoDiscovered(identifier, url, "long", datetime.now(UTC), duration_seconds=4 * 3600.0)
        outcome = video_download(world.services, event)
        assert outcome.value is not None
        assert outcome.value["reason"] == "long"
        deadline = time.monotonic() + 30
        while world.download(identifier).state is not DownloadState.STORED and time.monotonic() < deadline:
            time.sleep(0.1)
        assert world.download(identifier).state is DownloadState.STORED, (tmp_path / "jobs.log").read_text()
        assert world.download(identifier).reason is DownloadReason.STORED
    finally:
        jobs.stop()


def test_what_takes_too_long_for_the_function_is_left_to_the_job(
    world: World, music: bytes, make_source_services: Callable[..., Services]
) -> None:
    hasty = make_source_services(download_seconds=1.5)
    add_link(hasty, world.server.add("/slow.mp3", music, "audio/mpeg", bytes_per_second=len(music) / 20))
    [message] = world.discovered.take()
    with pytest.raises(TransientError):  # there is no job server here: the event comes again
        video_download(hasty, parse_video_discovered(envelope(message)))


def test_what_never_works_ends_in_a_state(world: World) -> None:
    identifier = add_link(world.services, world.server.url("/piece.mp3"))
    event = VideoDiscovered(identifier, world.server.url("/piece.mp3"), "", datetime.now(UTC), duration_seconds=9e4)
    for _ in range(MAXIMUM_ATTEMPTS):
        with pytest.raises(TransientError):  # there is no job server here
            video_download(world.services, event)
    download = world.download(identifier)
    assert (download.state, download.reason) == ("failed", "attempts_exhausted")
    assert "video-download" in download.explain("example.org")
