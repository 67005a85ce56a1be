"""Links to objects in the bucket and back to rows: the real yt-dlp, the real clients, servers on this machine."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from sonicgen.cloud.documents import read_progress
from sonicgen.cloud.objects import upload_file
from sonicgen.domain.download import DownloadReason, DownloadState
from sonicgen.domain.recording import MatchStatus
from sonicgen.events.objects import parse_object_event
from sonicgen.events.video_discovered import parse_video_discovered
from sonicgen.steps.add_link import add_link
from sonicgen.steps.fingerprint_match import fingerprint_match
from sonicgen.steps.retry_downloads import retry_due_downloads
from sonicgen.steps.retry_recording import retry_recording
from sonicgen.steps.services import Services
from sonicgen.steps.video_download import video_download
from sonicgen.store import recordings
from tests.media_server import media_server
from tests.unit.steps.video_download.world import World, envelope, take_stored


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
