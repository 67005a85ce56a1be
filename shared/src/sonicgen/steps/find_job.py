"""One question, where a clip is from, as a job that tells of itself while it is at work."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sonicgen.domain.download import DownloadReason, explain
from sonicgen.domain.platform import site_name
from sonicgen.errors import DownloadError, InputError, SonicGenError, SupersededError
from sonicgen.log import log
from sonicgen.services.downloader import Limits
from sonicgen.services.guard import read_target
from sonicgen.services.scratch import scratch_folder, sweep
from sonicgen.sound.fingerprint import Fingerprint
from sonicgen.steps.clip_workers import ClipWorkers
from sonicgen.steps.describe_answer import Clip, describe_answer
from sonicgen.steps.find_clip import find_fingerprint
from sonicgen.steps.problems import problem_of
from sonicgen.steps.search_versions import versions_wanted
from sonicgen.steps.services import Services
from sonicgen.steps.tell_webhooks import enqueue
from sonicgen.store import jobs

logger = logging.getLogger(__name__)

# What a job tells, in this order and never back: CityWok's names, and how full its bar is.
STAGES: dict[str, tuple[int, str]] = {
    "uploading": (10, "Taking in the file…"),
    "downloading": (20, "Downloading the sound…"),
    "extracting": (40, "Finding the sound in the file…"),
    "converting": (50, "Decoding…"),
    "fingerprinting": (70, "Listening for landmarks…"),
    "searching": (85, "Asking the index…"),
    "matching": (95, "Weighing what was found…"),
    "complete": (100, "Done."),
}
_LONGEST_NAME = 200
# What a webhook hears of an answer; the rest is under the job.
_TOLD = ("match_found", "unsure", "episode", "episode_id", "offset", "confidence", "message")
Notify = Callable[[UUID], None]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about: exactly one of a file, a link and a fingerprint."""

    name: str
    file: Path | None = None
    url: str | None = None
    fingerprint: Fingerprint | None = None


@contextmanager
def clip_folder(services: Services) -> Iterator[Path]:
    """Give an empty folder for an upload inside the block; nothing of it is left afterwards."""
    with scratch_folder(services.settings.download_dir) as folder:
        yield folder


def sweep_clip_folders(services: Services) -> int:
    """Remove what processes left that were killed in the middle of a question; return how many folders."""
    return sweep(services.settings.download_dir)


def check_link(url: str) -> str:
    """Return what a link is called in front of people; raise InputError for what is no link that may be fetched."""
    target = read_target(url)
    return f"{target.authority}{target.path}"[:_LONGEST_NAME]


class FindJob:
    """The work on one question; `notify` is called whenever there is something new to read of the job."""

    def __init__(self, services: Services, workers: ClipWorkers, job_id: UUID, notify: Notify) -> None:
        self._services = services
        self._workers = workers
        self._id = job_id
        self._notify = notify
        self._told_at = 0.0

    def run(self, question: Question) -> None:
        """Answer, and put the answer, or the reason why there is none, on record."""
        started = time.perf_counter()
        database = self._services.database
        try:
            answer = self._answer(question, started)
            done = ("result", {**answer, "status": "complete", "progress": 100})
            jobs.finish(database, self._id, "done", result=answer, event=done)  # type: ignore[arg-type]
            told = {"job_id": str(self._id), **{name: answer[name] for name in _TOLD}}
            with database.transaction() as connection:
                enqueue(connection, "find.done", f"find.done:{self._id}", told)
        except SupersededError:
            return  # cancelled: who did it has put the end on record
        except SonicGenError as error:
            self._fail(error)
        except Exception:  # the page must hear of it; the log has the rest
            logger.exception("A question could not be answered.")
            self._fail(SonicGenError("Something went wrong here; the operator's log says what."))
        finally:
            self._notify(self._id)

    def tell(self, stage: str, message: str | None = None, **more: object) -> None:
        """Put a stage on record; raise SupersededError when the job was cancelled meanwhile."""
        percent, sentence = STAGES[stage]
        data = {"status": stage, "message": message or sentence, "progress": percent, **more}
        if jobs.add_event(self._services.database, self._id, "progress", data) is None:
            raise SupersededError("The job was cancelled.")
        self._told_at = time.monotonic()
        self._notify(self._id)

    def _answer(self, question: Question, started: float) -> dict[str, object]:
        clip = self._read(question)
        self.tell("searching", seconds=round(clip.fingerprint.seconds, 3), peaks=len(clip.fingerprint.peaks))
        found = find_fingerprint(self._services, clip.fingerprint)
        self.tell("matching", matches=len(found))
        elapsed_ms = (time.perf_counter() - started) * 1000
        log(logger, "A clip was looked for.", job_id=str(self._id), matches=len(found), elapsed_ms=round(elapsed_ms))
        return describe_answer(self._services, clip, found, elapsed_ms)

    def _read(self, question: Question) -> Clip:
        if question.fingerprint is not None:
            return Clip(question.name, question.fingerprint)
        if question.file is not None:
            return self._listen(question.name, question.file)
        return self._fetch(question)

    def _fetch(self, question: Question) -> Clip:
        url = question.url or ""
        settings = self._services.settings
        self.tell("downloading", f"Downloading from {site_name(url)}…")
        limits = Limits(
            wall_seconds=settings.find_download_seconds,
            stall_seconds=min(settings.download_stall_seconds, settings.find_download_seconds),
            maximum_bytes=settings.find_bytes,
            maximum_seconds=settings.download_maximum_hours * 3600,
        )
        try:
            with self._services.downloader.download(url, limits, self._downloaded) as downloaded:
                return self._listen(downloaded.media.title or question.name, downloaded.path)
        except DownloadError as error:
            said = f" ({error.detail})" if error.detail else ""
            raise InputError(f"{explain(DownloadReason(error.reason), site_name(url))}{said}") from error

    def _downloaded(self, got: int, whole: int) -> None:
        if time.monotonic() - self._told_at > 0.5:
            share = f" of {whole / 1e6:.1f}" if whole else ""
            self.tell("downloading", f"Downloading, {got / 1e6:.1f}{share} MB so far…", bytes=got)

    def _listen(self, name: str, path: Path) -> Clip:
        settings = self._services.settings
        self.tell("fingerprinting")
        read = self._workers.fingerprint(
            path,
            seconds=settings.find_decode_seconds,
            maximum_seconds=settings.find_sound_seconds,
            versions=versions_wanted(self._services.replica),
            on_progress=self._listened,
        )
        return Clip(name, read.fingerprint, read.is_cut)

    def _listened(self, seconds: float, of_seconds: float | None) -> None:
        if time.monotonic() - self._told_at > 0.5:
            share = f" of {of_seconds / 60:.0f}" if of_seconds else ""
            self.tell("fingerprinting", f"Listening, {seconds / 60:.0f}{share} minutes so far…")

    def _fail(self, error: SonicGenError) -> None:
        problem = problem_of(error)
        event = {**problem, "error": str(error), "status_code": problem["status"]}
        log(logger, f"A question ended without an answer: {error}", job_id=str(self._id))
        jobs.finish(self._services.database, self._id, "failed", problem=problem, event=("error", event))


def cancel(services: Services, job_id: UUID, by: str) -> None:
    """End a job that runs; one that is over stays as it is."""
    problem = {"title": "Cancelled", "status": 409, "code": "cancelled", "detail": f"It was cancelled by {by}."}
    event = {**problem, "error": problem["detail"], "status_code": 409}
    jobs.finish(services.database, job_id, "cancelled", problem=problem, event=("error", event))


def note_loss(services: Services, job: jobs.Job) -> jobs.Job:
    """Return a job, ended when its process is gone: it neither told anything nor renewed its lease."""
    if not job.is_lost:
        return job
    problem: dict[str, object] = {
        "title": "Lost",
        "status": 503,
        "code": "worker_lost",
        "detail": "The process that worked on it is gone; ask again.",
    }
    event = {**problem, "error": problem["detail"], "status_code": 503}
    jobs.finish(services.database, job.id, "failed", problem=problem, event=("error", event))
    return jobs.get(services.database, job.id)
