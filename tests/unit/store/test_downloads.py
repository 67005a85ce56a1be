from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from sonicgen.domain.download import DownloadReason, DownloadState, Fate, Media
from sonicgen.errors import NotFoundError
from sonicgen.store import downloads, recordings
from sonicgen.store.database import Database

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=1)
FAILED = (DownloadState.FAILED,)


def add(database: Database, title: str = "") -> UUID:
    identifier = uuid4()
    url = f"https://example.org/{title or identifier}"
    downloads.add_video(database, identifier, url=url, youtube_id=None)
    downloads.add_video(database, identifier, url=url, youtube_id=None)
    downloads.ensure(database, identifier, url=url, address_host="example.org")
    return identifier


def wait(database: Database, identifier: UUID, until: datetime) -> None:
    fate = Fate(DownloadState.WAITING, until)
    downloads.end(database, identifier, fate, DownloadReason.NETWORK, "it said so", 1)


def test_a_download_is_made_once_and_keeps_what_it_was_told(database: Database) -> None:
    identifier = add(database)
    wait(database, identifier, NOW)
    again = downloads.ensure(database, identifier, url="https://example.org/new", address_host="example.org")
    assert (again.state, again.reason_detail, again.url) == ("waiting", "it said so", "https://example.org/new")
    assert downloads.of_videos(database, [identifier, uuid4()]) == {identifier: again}
    assert downloads.find(database, uuid4()) is None


def test_a_forgotten_video_has_no_download(database: Database) -> None:
    with pytest.raises(NotFoundError, match="forgotten"):
        downloads.ensure(database, uuid4(), url="https://example.org", address_host="example.org")
    identifier = add(database)
    with database.transaction() as connection:
        recordings.delete(connection, identifier)
    assert downloads.find(database, identifier) is None
    for write in (downloads.hand_over, downloads.get_queued):
        with pytest.raises(NotFoundError):
            write(database, identifier)


def test_what_is_stored_is_not_begun_again_and_teaches_the_video(database: Database) -> None:
    identifier = add(database)
    started = downloads.start(database, identifier)
    assert started is not None
    assert (started.state, started.attempts) == ("running", 1)
    media = Media("A talk", "webm", 61.5, published_at=LONG_AGO)
    stored = downloads.store(
        database, identifier, DownloadReason.STORED, object_name="audio/a", size_bytes=7, media=media
    )
    assert (stored.state, stored.bytes, stored.object_name) == ("stored", 7, "audio/a")
    assert downloads.start(database, identifier) is None
    video = recordings.get(database, identifier)
    assert (video.title, video.duration_seconds, video.published_at) == ("A talk", 61.5, LONG_AGO)
    better = Media("Another title", "webm", 99.0, published_at=NOW)
    downloads.store(database, identifier, DownloadReason.STORED, object_name="audio/a", size_bytes=7, media=better)
    assert recordings.get(database, identifier).title == "A talk"


def test_each_due_download_is_taken_once_by_many(database: Database) -> None:
    due = {add(database) for _ in range(20)}
    for identifier in due:
        wait(database, identifier, NOW - timedelta(seconds=1))
    later = add(database)
    wait(database, later, NOW + timedelta(hours=1))
    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(lambda _: downloads.take_due(database, NOW, LONG_AGO, 7), range(6)))
    taken = [queued.download.video_id for batch in batches for queued in batch]
    assert sorted(taken) == sorted(due)
    assert {queued.download.round for batch in batches for queued in batch} == {1}
    assert downloads.take_due(database, NOW, LONG_AGO, 7) == []
    lost = downloads.take_due(database, NOW, datetime.now(UTC) + timedelta(minutes=1), 100)
    assert {queued.download.video_id for queued in lost} == due


def test_what_failed_is_taken_by_reason(database: Database) -> None:
    gone, private = add(database), add(database)
    downloads.end(database, gone, Fate(DownloadState.FAILED), DownloadReason.GONE, None, 3)
    downloads.end(database, private, Fate(DownloadState.FAILED), DownloadReason.PRIVATE, None, 3)
    assert (DownloadState.FAILED, DownloadReason.GONE, 1) in downloads.counts(database)
    [taken] = downloads.take_failed(database, FAILED, DownloadReason.GONE, 10)
    assert (taken.download.video_id, taken.download.failures, taken.download.state) == (gone, 0, "queued")
    assert downloads.take_one(database, gone) is None
    assert downloads.take_one(database, private) is not None
    assert downloads.take_failed(database, FAILED, None, 10) == []
