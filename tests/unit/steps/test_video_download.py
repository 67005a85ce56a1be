"""Links to objects in the bucket and back to rows: the real yt-dlp, the real clients, servers on this machine."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from sonicgen.cloud.documents import read_progress
from sonicgen.cloud.objects import ensure_bucket, ensure_notification, list_objects, upload_file
from sonicgen.domain.download import RULES, DownloadReason, DownloadState, Fate
from sonicgen.domain.recording import MatchStatus
from sonicgen.errors import InputError, TransientError
from sonicgen.events.objects import parse_object_event
from sonicgen.events.video_discovered import VideoDiscovered, parse_video_discovered
from sonicgen.local.demo_sounds import make_music, write_sound
from sonicgen.local.jobs import JobsServer
from sonicgen.local.supervisor import free_port
from sonicgen.settings import settings
from sonicgen.steps.add_link import add_link
from sonicgen.steps.fetch_link import fetched
from sonicgen.steps.fingerprint_match import fingerprint_match
from sonicgen.steps.retry_downloads import retry_due_downloads, retry_failed_downloads
from sonicgen.steps.retry_recording import retry_recording
from sonicgen.steps.services import Services
from sonicgen.steps.video_download import MAXIMUM_ATTEMPTS, MEDIA_OBJECTS, content_type, video_download
from sonicgen.store import downloads, recordings
from tests.media_server import MediaServer, media_server

TOPIC = "video-discovered"


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


@dataclass
class World:
    """What a test works with."""

    services: Services
    server: MediaServer
    discovered: Any
    stored: Any

    def add(self, url: str) -> UUID:
        """Add a link and work on its event, as the bus would have it done."""
        identifier = add_link(self.services, url)
        self.work()
        return identifier

    def work(self) -> int:
        """Work on every event that was published meanwhile."""
        messages = self.discovered.take()
        for message in messages:
            video_download(self.services, parse_video_discovered(envelope(message)))
        return len(messages)

    def download(self, identifier: UUID) -> Any:
        """Return a video's download."""
        found = downloads.find(self.services.database, identifier)
        assert found is not None
        return found

    def objects(self) -> list[str]:
        """Return what lies in the bucket."""
        return [stored.name for stored in list_objects(self.services.settings.media_bucket)]


def envelope(message: Any) -> dict[str, Any]:
    """Return a message as a push subscription delivers it."""
    import base64

    raw = {"data": base64.b64encode(message.data).decode(), "attributes": dict(message.attributes), "messageId": "1"}
    return {
        "id": "1",
        "type": "google.cloud.pubsub.topic.v1.messagePublished",
        "source": "//pubsub",
        "data": {"message": raw},
    }


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


def take_stored(world: World) -> list[Any]:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if messages := world.stored.take():
            return list(messages)
        time.sleep(0.05)
    return []


def test_from_a_link_to_a_decision_on_the_same_row(world: World, music: bytes) -> None:
    url = world.server.add("/piece.mp3", music, "audio/mpeg", bytes_per_second=len(music) / 2)
    identifier = add_link(world.services, url)
    [message] = world.discovered.take()
    event = parse_video_discovered(envelope(message))
    worker = threading.Thread(target=video_download, args=(world.services, event))
    worker.start()
    told = []
    while worker.is_alive():
        told.append(read_progress(str(identifier)))
        time.sleep(0.1)
    assert any(each is not None and each.step == "downloading" and 0 < each.fraction < 1 for each in told)
    download = world.download(identifier)
    assert (download.state, download.reason, download.bytes) == ("stored", "stored", len(music))
    assert world.objects() == [download.object_name] == [f"audio/other/{identifier}.mp3"]

    [notification] = take_stored(world)
    upload = parse_object_event(envelope(notification))
    assert upload is not None
    assert upload.video_id == identifier
    assert upload.content_type == "audio/mpeg"
    fingerprint_match(world.services, upload)
    recording = recordings.get(world.services.database, identifier)
    assert recording.match_status is MatchStatus.FINGERPRINTED
    assert (recording.title, recording.published_uri) == ("piece", url)
    assert len(recordings.list_page(world.services.database).recordings) == 1

    retry_recording(world.services, recording)
    [again] = take_stored(world)
    upload = parse_object_event(envelope(again))
    assert upload is not None
    assert upload.video_id == identifier

    asked = len(world.server.asked)
    assert video_download(world.services, event).value == {
        "video_id": str(identifier),
        "state": "stored",
        "reason": "stored",
    }
    assert add_link(world.services, url) == identifier
    assert world.work() == 0
    assert len(world.server.asked) == asked
    assert list((world.services.settings.download_dir).iterdir()) == []


def test_a_stranger_in_the_inbox_cannot_take_anothers_row(world: World) -> None:
    data = {"bucket": "sonicgen-inbox", "name": "a", "generation": "1", "size": "0"}
    identifier = uuid4()
    for claimed in (str(identifier), "no id", 7):
        event = {"id": "1", "type": "google.cloud.storage.object.v1.finalized", "source": "//storage"}
        upload = parse_object_event(event | {"data": data | {"metadata": {"sonicgen-video-id": claimed}}})
        assert upload is not None
        assert upload.video_id == (identifier if claimed == str(identifier) else None)
    ours = parse_object_event(event | {"data": data | {"metadata": {"sonicgen-video-id": str(identifier)}}})
    assert ours is not None
    fingerprint_match(world.services, ours)
    assert recordings.find(world.services.database, identifier) is None


def test_what_lies_in_the_bucket_is_not_downloaded_again(world: World, music: bytes, tmp_path: Path) -> None:
    url = world.server.add("/piece.mp3", music, "audio/mpeg")
    identifier = add_link(world.services, url)
    path = tmp_path / "piece.mp3"
    path.write_bytes(music)
    upload_file(world.services.settings.media_bucket, f"audio/other/{identifier}.mp3", path)
    assert len(take_stored(world)) == 1
    world.work()
    assert world.server.asked == []
    download = world.download(identifier)
    assert (download.state, download.reason) == ("stored", "already_stored")
    [notification] = take_stored(world)
    upload = parse_object_event(envelope(notification))
    assert upload is not None
    assert upload.video_id == identifier


def test_one_that_fails_holds_nothing_up_and_ends_in_a_state(world: World, music: bytes) -> None:
    good = world.server.add("/piece.mp3", music, "audio/mpeg")
    paths = ("/status/404", "/status/500", "/page.html", "/redirect?to=http://169.254.169.254/")
    world.server.add("/page.html", b"<html><title>words</title></html>", "text/html")
    added = [add_link(world.services, world.server.url(path)) for path in paths] + [add_link(world.services, good)]
    assert world.work() == 5
    states = [(world.download(each).state, world.download(each).reason) for each in added]
    assert states == [
        ("failed", "gone"),
        ("waiting", "network"),
        ("failed", "not_media"),
        ("failed", "private_address"),
        ("stored", "stored"),
    ]
    waiting = world.download(added[1])
    assert waiting.next_attempt_at - datetime.now(UTC) < timedelta(minutes=1)
    assert "HTTP status 500" in waiting.explain("example.org")
    assert world.objects() == [f"audio/other/{added[-1]}.mp3"]


def test_a_site_that_complains_is_left_alone_by_all_and_others_go_on(world: World, music: bytes) -> None:
    first = world.add(world.server.url("/status/429"))
    assert world.download(first).reason is DownloadReason.RATE_LIMITED
    asked = list(world.server.asked)
    second = world.add(world.server.add("/piece.mp3", music, "audio/mpeg"))
    assert world.server.asked == asked
    spared = world.download(second)
    assert (spared.state, spared.reason, spared.attempts) == ("waiting", "rate_limited", 0)
    assert spared.next_attempt_at > datetime.now(UTC) + timedelta(minutes=9)
    pause = world.services.cooldowns.active(spared.address_host)
    assert pause is not None
    assert pause.strikes == 1

    with media_server() as other:
        allowed = f"{world.server.place}, {other.place}"
        services = Services(world.services.settings.model_copy(update={"allowed_hosts": allowed}))
        identifier = add_link(services, other.add("/piece.mp3", music, "audio/mpeg"))
        [message] = world.discovered.take()
        video_download(services, parse_video_discovered(envelope(message)))
        assert world.download(identifier).state is DownloadState.STORED
        services.database.close()

    world.services.cooldowns.lift(spared.address_host)
    world.server.add("/status/429", music, "audio/mpeg")
    assert retry_due_downloads(world.services) == 0
    assert retry_due_downloads(world.services, spared.next_attempt_at + timedelta(minutes=10)) == 2
    assert world.work() == 2
    assert world.download(second).state is DownloadState.STORED


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
