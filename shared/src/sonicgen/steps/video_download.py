"""Bring the sound of a discovered video into the media bucket, once; its object's event starts everything else.

Killed at any point and run again, it ends in the same state: the object's name derives from the video and is written
only where nothing lies yet, the file lies in a folder that goes with its worker, and the row in `downloads` is written
after the object. What cannot be downloaded ends in a state with a reason, and holds nothing else up.
"""

from __future__ import annotations

import logging
import mimetypes
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sonicgen.cloud.bus import publish_message
from sonicgen.cloud.cooldowns import Pause
from sonicgen.cloud.documents import clear_progress, report_progress
from sonicgen.cloud.jobs import run_job
from sonicgen.cloud.ledger_entry import Outcome
from sonicgen.cloud.objects import StoredObject, describe_object, list_objects, upload_file
from sonicgen.cloud.once import Claim, run_once
from sonicgen.domain.download import RULES, Download, DownloadReason, DownloadState, Failure, Fate, decide
from sonicgen.domain.platform import Platform, cooled_host, platform_of
from sonicgen.errors import ConflictError, DownloadError, LeaseHeldError, SonicGenError, TransientError
from sonicgen.events.objects import VIDEO_ID
from sonicgen.events.video_discovered import VideoDiscovered
from sonicgen.log import log, log_context, setup_logging
from sonicgen.services.downloader import Downloaded
from sonicgen.services.scratch import sweep
from sonicgen.settings import settings
from sonicgen.steps import retry_recording
from sonicgen.steps.services import Services
from sonicgen.steps.uploads import upload_of_object
from sonicgen.store import downloads, recordings

logger = logging.getLogger(__name__)

FUNCTION = "video_download"
JOB = "video_download_job"
MEDIA_OBJECTS = "media-objects"
# A message is given up by the bus after ten deliveries; the last of them says so in the download's state.
MAXIMUM_ATTEMPTS = 10
_PROGRESS_EVERY_SECONDS = 1.0
# Those that waited for a site come back spread over this time, not all in one moment.
_SPREAD_SECONDS = 300
# What `mimetypes` does not know everywhere.
_CONTENT_TYPES = {"m4a": "audio/mp4", "webm": "audio/webm", "opus": "audio/ogg", "ogg": "audio/ogg", "mka": "audio/x-matroska"}  # fmt: skip  # noqa: E501


def prepare() -> None:
    """Make the process ready for its first event: logs, and what killed workers left behind removed."""
    chosen = settings()
    setup_logging(chosen.log_level)
    swept = sweep(chosen.download_dir)
    if swept:
        log(logger, f"Removed {swept} unfinished downloads that killed workers left.")


def video_download(services: Services, event: VideoDiscovered) -> Outcome:
    """Download a discovered video, or say why not and when again. Raises TransientError to get the event again."""
    return _run(services, event, is_job=False)


def download_as_job(services: Services, video_id: UUID, round_number: int) -> Outcome:
    """Do the same for a video that is too long for the function: with the job's limits.

    Raises NotFoundError when the video was forgotten, TransientError to be started again.
    """
    queued = downloads.get_queued(services.database, video_id)
    return _run(services, discovery(queued, round_number), is_job=True)


def discovery(queued: downloads.Queued, round_number: int | None = None) -> VideoDiscovered:
    """Return the event that asks for a known download; `round_number` is the download's own unless given."""
    download = queued.download
    return VideoDiscovered(
        video_id=download.video_id,
        url=download.url,
        title=queued.title,
        time=datetime.now(UTC),
        youtube_id=queued.youtube_id,
        source_id=download.source_id,
        duration_seconds=queued.duration_seconds,
        published_at=queued.published_at,
        round=download.round if round_number is None else round_number,
    )


def _run(services: Services, event: VideoDiscovered, *, is_job: bool) -> Outcome:
    work = _Work(services, event, is_job=is_job).run
    with log_context(event_id=event.id, recording_id=str(event.video_id)):
        return run_once(services.ledger, JOB if is_job else FUNCTION, event.id, work)


def object_prefix(event: VideoDiscovered) -> str:
    """Return the name of a video's object up to its extension, which is known only after the download."""
    if event.youtube_id:
        return f"audio/{Platform.YOUTUBE}/{event.youtube_id}."
    return f"audio/{platform_of(event.url)}/{event.video_id}."


class _Work:
    """The work on one event; a new object for each try."""

    def __init__(self, services: Services, event: VideoDiscovered, *, is_job: bool) -> None:
        self._services = services
        self._database = services.database
        self._bucket = services.settings.media_bucket
        self._event = event
        self._id = event.video_id
        self._host = cooled_host(event.url)
        self._is_job = is_job
        self._reported_at = 0.0

    def run(self, claim: Claim) -> dict[str, object]:
        """Do what is left to do; returns what the ledger keeps."""
        self._claim = claim
        event = self._event
        download = downloads.ensure(
            self._database, self._id, url=event.url, address_host=self._host, source_id=event.source_id
        )
        if self._services.settings.downloads_enabled and download.state is not DownloadState.STORED:
            try:
                download = self._bring(download)
            except TransientError as error:
                self._give_up_if_last(error)
                raise
            finally:
                with suppress(SonicGenError):  # a stale progress bar expires by itself
                    clear_progress(str(self._id))
        log(logger, f"{event.title or event.url}: {download.state}", reason=download.reason, url=event.url)
        return {"video_id": str(self._id), "state": str(download.state), "reason": str(download.reason)}

    def _bring(self, download: Download) -> Download:
        """Find the sound in the bucket or download it; return the download as it ended."""
        present = next(iter(list_objects(self._bucket, object_prefix(self._event))), None)
        if present is not None:
            return self._use(present)
        pause = self._services.cooldowns.active(self._host)
        if pause is not None:
            return self._wait(download, pause)
        started = downloads.start(self._database, self._id)
        if started is None:
            return downloads.ensure(self._database, self._id, url=self._event.url, address_host=self._host)
        limits = self._services.downloader.limits(is_job=self._is_job)
        if limits.long_seconds is not None and (self._event.duration_seconds or 0.0) > limits.long_seconds:
            return self._hand_over()
        try:
            with self._services.downloader.download(self._event.url, limits, self._report) as downloaded:
                return self._store(downloaded)
        except DownloadError as error:
            failure = Failure(DownloadReason(error.reason), error.detail, error.release_at)
        # What is too slow for the function has a job's time, too; a server that stands still is another matter.
        if not self._is_job and failure.reason in (DownloadReason.LONG, DownloadReason.TIME_LIMIT):
            return self._hand_over()
        return self._end(started, failure)

    def _store(self, downloaded: Downloaded) -> Download:
        name = f"{object_prefix(self._event)}{downloaded.media.extension}"
        report_progress(str(self._id), "uploading", 1.0)
        self._claim.ensure_held()  # a worker that was taken for dead must not write after its successor
        try:
            stored = upload_file(
                self._bucket,
                name,
                downloaded.path,
                content_type=content_type(downloaded.media.extension),
                metadata={VIDEO_ID: str(self._id)},
            )
        except ConflictError:
            return self._use(describe_object(self._bucket, name))
        self._services.cooldowns.lift(self._host)
        return downloads.store(
            self._database,
            self._id,
            DownloadReason.STORED,
            object_name=stored.name,
            size_bytes=stored.size_bytes,
            media=downloaded.media,
        )

    def _use(self, present: StoredObject) -> Download:
        """Take what lies in the bucket already; when nobody works on it (its row is new), tell of it once more."""
        recording = recordings.find(self._database, self._id)
        if recording is not None and recording.match_status is None:
            upload = upload_of_object(present, video_id=self._id)
            with suppress(LeaseHeldError):  # somebody is at it right now
                self._services.ledger.reopen(retry_recording.FUNCTION, upload.identity)
            publish_message(MEDIA_OBJECTS, *upload.to_notification())
        return downloads.store(
            self._database,
            self._id,
            DownloadReason.ALREADY_STORED,
            object_name=present.name,
            size_bytes=present.size_bytes,
        )

    def _hand_over(self) -> Download:
        run_job(self._services.settings.download_job, [str(self._id), str(self._event.round)])
        return downloads.hand_over(self._database, self._id)

    def _wait(self, download: Download, pause: Pause) -> Download:
        fate = Fate(DownloadState.WAITING, pause.until + self._spread())
        failures = download.failures if download.reason is pause.reason else 0
        return downloads.end(self._database, self._id, fate, pause.reason, None, failures)

    def _end(self, download: Download, failure: Failure) -> Download:
        failures = download.failures + 1 if download.reason is failure.reason else 1
        fate = decide(failure, failures, datetime.now(UTC))
        if RULES[failure.reason].pauses_host:
            pause = self._services.cooldowns.pause(self._host, failure.reason)
            if fate.next_attempt_at is not None:
                fate = Fate(fate.state, max(fate.next_attempt_at, pause.until) + self._spread())
        return downloads.end(self._database, self._id, fate, failure.reason, failure.detail, failures)

    def _give_up_if_last(self, error: TransientError) -> None:
        if self._claim.attempts < MAXIMUM_ATTEMPTS or isinstance(error, LeaseHeldError):
            return
        reason = DownloadReason.ATTEMPTS_EXHAUSTED
        with suppress(SonicGenError):
            downloads.end(self._database, self._id, Fate(RULES[reason].end), reason, str(error).rstrip("."), 1)

    def _spread(self) -> timedelta:
        return timedelta(seconds=zlib.crc32(self._id.bytes) % _SPREAD_SECONDS)

    def _report(self, done_bytes: int, total_bytes: int) -> None:
        now = time.monotonic()
        if now - self._reported_at >= _PROGRESS_EVERY_SECONDS:
            self._reported_at = now
            self._claim.ensure_held()  # raised in here, it stops the download
            fraction = min(1.0, done_bytes / total_bytes) if total_bytes else 0.0
            with suppress(SonicGenError):  # progress is a courtesy; the work goes on without it
                report_progress(str(self._id), "downloading", fraction)


def content_type(extension: str, known: Mapping[str, str] = _CONTENT_TYPES) -> str:
    """Return the media type of a file with this extension."""
    return known.get(extension) or mimetypes.guess_type(f"a.{extension}")[0] or "application/octet-stream"
