"""Links that can be added and those that cannot; downloads switched off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from sonicgen.domain.download import DownloadState
from sonicgen.errors import InputError
from sonicgen.events.video_discovered import VideoDiscovered, parse_video_discovered
from sonicgen.steps.add_link import add_link
from sonicgen.steps.fetch_link import fetched
from sonicgen.steps.retry_downloads import retry_due_downloads
from sonicgen.steps.services import Services
from sonicgen.steps.video_download import content_type, video_download
from sonicgen.store import recordings
from tests.unit.steps.video_download.world import World, envelope


def test_a_link_can_be_looked_at_without_keeping_it(world: World, music: bytes) -> None:
    with fetched(world.services, world.server.add("/piece.mp3", music, "audio/mpeg")) as path:
        assert path.read_bytes() == music
    assert not path.exists()
    with pytest.raises(InputError, match="has it no more"), fetched(world.services, world.server.url("/status/404")):
        pass


def test_downloads_can_be_switched_off(world: World, make_source_services: Callable[..., Services]) -> None:
    off = make_source_services(downloads_enabled=False)
    with pytest.raises(InputError, match="SONICGEN_DOWNLOADS"):
        add_link(off, world.server.url("/piece.mp3"))
    identifier = add_link(world.services, world.server.url("/piece.mp3"))
    [message] = world.discovered.take()
    video_download(off, parse_video_discovered(envelope(message)))
    assert world.download(identifier).state is DownloadState.QUEUED
    assert world.server.asked == []
    assert retry_due_downloads(off, datetime.now(UTC) + timedelta(days=9)) == 0


def test_a_forgotten_video_is_acknowledged(world: World) -> None:
    event = VideoDiscovered(uuid4(), world.server.url("/piece.mp3"), "gone", datetime.now(UTC))
    assert video_download(world.services, event).state == "failed"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://www.youtube.com/@somebody", "sonicgen ingest"),
        ("ftp://example.org/a.mp3", "http"),
        ("https://youtube.com@169.254.169.254/", "name or password"),
        ("https://www.youtube.com/watch?v=short", "11 characters"),
    ],
)
def test_links_that_cannot_be_added(world: World, url: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        add_link(world.services, url)
    assert recordings.list_page(world.services.database).recordings == []


def test_youtube_links_in_every_form_are_one_video(world: World) -> None:
    forms = ("watch?v=", "shorts/", "live/", "embed/")
    urls = [f"https://{host}youtube.com/{form}abcdefghijk" for form in forms for host in ("www.", "m.", "music.", "")]
    identifiers = {add_link(world.services, url) for url in (*urls, "https://youtu.be/abcdefghijk?si=x")}
    assert len(identifiers) == 1
    [identifier] = identifiers
    assert recordings.get(world.services.database, identifier).youtube_id == "abcdefghijk"
    assert world.download(identifier).address_host == "youtube.com"


@pytest.mark.parametrize(("extension", "kind"), [("m4a", "audio/mp4"), ("webm", "audio/webm"), ("mp3", "audio/mpeg"), ("qqq", "application/octet-stream")])  # fmt: skip  # noqa: E501
def test_content_types(extension: str, kind: str) -> None:
    assert content_type(extension) == kind
