"""Fingerprint an uploaded recording, find where it is from, then link it to its original or store it.

Runs on every finalized object. Killed at any point and run again, it ends in the same state: the ledger lets one worker
in at a time, the recording's row and its postings change in one transaction, and the event it publishes has an id that
derives from the recording.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePosixPath
from typing import BinaryIO, cast
from uuid import UUID

from sonicgen.cloud.bus import publish_event
from sonicgen.cloud.documents import clear_progress, report_progress
from sonicgen.cloud.ledger_entry import Outcome
from sonicgen.cloud.objects import ObjectReader, describe_object, open_object
from sonicgen.cloud.once import Claim, run_once
from sonicgen.domain.match import Decision, Match
from sonicgen.domain.recording import MatchStatus, Reason, Recording, recording_id
from sonicgen.errors import InputError, MediaError, NotFoundError, SonicGenError, TransientError
from sonicgen.events.objects import ObjectFinalized
from sonicgen.events.recording_fingerprinted import MatchSummary, RecordingFingerprinted
from sonicgen.log import log, log_context, setup_logging
from sonicgen.match.search import warm_up as warm_up_search
from sonicgen.origin.evidence import Traits, weigh
from sonicgen.origin.ranges import complement
from sonicgen.origin.verdict import MINIMUM_NOVEL_SECONDS, Heard, judge
from sonicgen.settings import settings
from sonicgen.sound.fingerprint import Fingerprint, has_enough_sound, is_silent
from sonicgen.sound.fingerprint import fingerprint as take_fingerprint
from sonicgen.sound.stretches import peaks_within, share_within
from sonicgen.steps.origin_changes import Succession, by_person, carry_out
from sonicgen.steps.originals import Origins
from sonicgen.steps.relations import Relations
from sonicgen.steps.representation import recording_json
from sonicgen.steps.retry_recording import FUNCTION, retry_recording
from sonicgen.steps.search_versions import ensure_comparable, search, versions_wanted
from sonicgen.steps.services import Services
from sonicgen.steps.standing_reviews import hold_to_reviews
from sonicgen.steps.store_fingerprint import store_fingerprint
from sonicgen.steps.tell_webhooks import enqueue
from sonicgen.store import matches as match_store
from sonicgen.store import postings, recordings
from sonicgen.store.database import Connection
from sonicgen.store.matches import StoredMatch
from sonicgen.store.postings import IndexState

logger = logging.getLogger(__name__)

TOPIC = "recording-fingerprinted"
# What the work on a new recording enters, in this order; the tests kill it in each.
STEPS = ("claiming", "decoding", "matching", "storing", "committing", "publishing", "finishing")
# A message is given up by the bus after ten deliveries; the last of them says so in the recording's state.
MAXIMUM_ATTEMPTS = 10
_PROGRESS_EVERY_SECONDS = 1.0
_CATCH_UP_ROUNDS = 3

StepListener = Callable[[str], None]


def prepare() -> None:
    """Make the process ready for its first event: logs, and signal processing loaded."""
    setup_logging(settings().log_level)
    warm_up_search()


def fingerprint_match(services: Services, upload: ObjectFinalized, enter: StepListener | None = None) -> Outcome:
    """Bring an uploaded recording to its final state, once, and announce it.

    `enter` is told each step as it begins. Raises TransientError when the event must come again.
    """
    work = Work(services, upload, enter or log_step).run
    with log_context(event_id=upload.event_id, recording_id=str(_id(services, upload))):
        return run_once(services.ledger, FUNCTION, upload.identity, work)


def _id(services: Services, upload: ObjectFinalized) -> UUID:
    # Only our own downloads go into the media bucket; what lies in the inbox may say anything.
    if upload.video_id is not None and upload.bucket == services.settings.media_bucket:
        return upload.video_id
    return recording_id(upload.bucket, upload.name, upload.generation)


def log_step(step: str) -> None:
    """Put a step on record as it begins."""
    log(logger, f"Step: {step}", step=step)


class Work:
    """The work on one upload; a new object for each try."""

    _claim: Claim | None = None

    def __init__(self, services: Services, upload: ObjectFinalized, enter: StepListener) -> None:
        self._services = services
        self._database = services.database
        self._upload = upload
        self._enter = enter
        self._id = _id(services, upload)
        self._stream: ObjectReader | None = None
        self._reported_at = 0.0
        self._released: list[Recording] = []

    def run(self, claim: Claim) -> dict[str, object]:
        """Do what is left to do; returns what the ledger keeps."""
        self._claim = claim
        self._enter("claiming")
        started = time.monotonic()
        recording = self._claim_recording()
        if not recording.is_final:
            try:
                self._decide()
            except TransientError as error:
                self._give_up_if_last(recording, error)
                raise
        self._enter("publishing")
        recording = recordings.get(self._database, self._id)
        self._publish(recording)
        self._hear_released()
        self._tell_webhooks(recording)
        with suppress(SonicGenError):  # a stale progress bar expires by itself
            clear_progress(str(self._id))
        self._enter("finishing")
        seconds = round(time.monotonic() - started, 3)
        log(logger, f"{recording.title}: {recording.match_status}", seconds=seconds, reason=recording.reason)
        return {"recording_id": str(self._id), "status": str(recording.match_status), "reason": str(recording.reason)}

    def _claim_recording(self) -> Recording:
        upload = self._upload
        is_repeated = self._claim is not None and self._claim.attempts > 1
        if is_repeated and recordings.find(self._database, self._id) is None:
            # Forgotten while its event was on its way? Then it must not come to be again as one without an object.
            describe_object(upload.bucket, upload.name, upload.generation)
        return recordings.claim(
            self._database,
            self._id,
            title=PurePosixPath(upload.name).name or upload.name,
            bucket=upload.bucket,
            object_name=upload.name,
            generation=upload.generation,
            size_bytes=upload.size_bytes,
            md5=upload.md5,
            content_type=upload.content_type,
        )

    def _give_up_if_last(self, recording: Recording, error: TransientError) -> None:
        if recording.attempts < MAXIMUM_ATTEMPTS:
            return
        with suppress(SonicGenError), self._database.transaction() as connection:
            recordings.finish(
                connection, self._id, MatchStatus.FLAG, Reason.ATTEMPTS_EXHAUSTED, detail=f"The last time: {error}"
            )

    def _decide(self) -> None:
        if self._upload.size_bytes == 0:
            self._refuse(MediaError(Reason.EMPTY_FILE, "The file has no bytes."))
        elif not self._link_identical():
            try:
                self._fingerprint_and_match()
            except MediaError as error:
                self._refuse(error)
            except NotFoundError:
                self._refuse(MediaError(Reason.OBJECT_GONE, "The object is gone."))

    def _refuse(self, error: MediaError) -> None:
        with self._database.transaction() as connection:
            recordings.finish(connection, self._id, MatchStatus.FLAG, Reason(error.reason), detail=None)

    def _link_identical(self) -> bool:
        """Link a byte-identical file without decoding it; whether there was one."""
        if self._upload.md5 is None:
            return False
        original = recordings.find_identical(self._database, self._upload.md5, self._upload.size_bytes, not_id=self._id)
        if original is None or not self._is_copy_of_identical(original):
            return False
        self._enter("storing")
        with self._database.transaction() as connection:
            recordings.finish(
                connection,
                self._id,
                MatchStatus.MATCHED,
                Reason.IDENTICAL_FILE,
                duration_seconds=original.duration_seconds,
                original_id=original.id,
            )
            recordings.set_heard(connection, self._id, original.quality)
        return True

    def _is_copy_of_identical(self, original: Recording) -> bool:
        """Return whether nothing tells for the later upload of the same bytes; otherwise it is compared in full."""
        recording = recordings.get(self._database, self._id)
        if by_person(self._database, self._id) is not None:
            return False
        trusted = self._services.settings.trusted_channel_ids
        traits = [
            Traits(r.id, r.created_at or datetime.now(UTC), r.published_at, is_trusted=r.channel_id in trusted)
            for r in (original, recording)
        ]
        return weigh(*traits).log_odds > 0

    def _fingerprint_and_match(self) -> None:
        self._enter("decoding")
        with open_object(self._upload.bucket, self._upload.name, self._upload.generation) as stream:
            self._stream = stream
            fingerprint = take_fingerprint(cast(BinaryIO, stream), self._report, versions_wanted(self._database))
        self._enter("matching")
        found, seen = self._search_all(fingerprint)
        rate = self._services.settings.false_positive_rate
        relations = Relations(self._database, self._id, fingerprint, rate)
        relations.settle(found)  # remembered: little is left to do under the lock
        self._enter("storing")
        with self._database.transaction() as connection:
            # Two copies that arrive together each find nothing; under the lock the later one sees the earlier.
            postings.lock_index(connection)
            now = postings.state(self._database)
            if now.latest_number > seen:
                found += self._search_late(fingerprint, now, seen, found)
            ensure_comparable(now.versions, fingerprint)
            self._store(connection, fingerprint, relations.settle(found))

    def _search_all(self, fingerprint: Fingerprint) -> tuple[list[Match], int]:
        """Search the index, then what was stored meanwhile; return the matches and the last number that was seen.

        Each round has less to search than the one before, so that little is left to search under the lock.
        """
        seen = postings.state(self._database)
        found = self._search(fingerprint, seen)
        for _ in range(_CATCH_UP_ROUNDS):
            now = postings.state(self._database)
            if now.latest_number == seen.latest_number:
                break
            found += self._search_late(fingerprint, now, seen.latest_number, found)
            seen = now
        return found, seen.latest_number

    def _search_late(self, fingerprint: Fingerprint, now: IndexState, seen: int, found: list[Match]) -> list[Match]:
        """Search what was stored after a number; the search before may have seen some of it already."""
        known = {match.recording for match in found}
        return [match for match in self._search(fingerprint, now, after=seen) if match.recording not in known]

    def _search(self, fingerprint: Fingerprint, now: IndexState, after: int | None = None) -> list[Match]:
        # Not itself: what holds all of a recording hides from the search whatever holds a part of it.
        own = recordings.get(self._database, self._id).number
        return search(
            self._database,
            fingerprint,
            now.versions,
            false_positive_rate=self._services.settings.false_positive_rate,
            after=after,
            exclude=() if own is None else (own,),
            seconds=now.seconds,
        )

    def _store(self, connection: Connection, fingerprint: Fingerprint, found: list[Match]) -> None:
        known = recordings.by_numbers(self._database, {match.recording for match in found})
        found = [match for match in found if match.recording in known and known[match.recording].id != self._id]
        heard = Heard(
            seconds=fingerprint.seconds,
            is_enough=has_enough_sound(fingerprint),
            is_silent=is_silent(fingerprint),
            is_truncated=fingerprint.truncated,
            share=partial(share_within, fingerprint),
        )
        recording = recordings.get(self._database, self._id)
        pairs = hold_to_reviews(self._database, self._id, ((known[match.recording], match) for match in found))
        found = [match for _, match in pairs]
        origins = Origins(self._database, self._services.settings, recording, fingerprint, pairs)
        verdict = judge(heard, found, known, self._services.settings.duplicate_coverage, origins.choose)
        changes = origins.settle(verdict.original) if heard.is_enough else Succession()
        recordings.finish(
            connection,
            self._id,
            verdict.status,
            verdict.reason,
            detail=verdict.detail,
            duration_seconds=fingerprint.seconds,
            original_id=verdict.original.id if verdict.original else None,
        )
        recordings.set_heard(connection, self._id, fingerprint.quality, fingerprint.version)
        match_store.replace(connection, self._id, [(other.id, match) for other, match in pairs], FUNCTION)
        if verdict.indexed:
            whole = verdict.original is None
            peaks = fingerprint.peaks if whole else peaks_within(fingerprint, verdict.indexed)
            store_fingerprint(connection, self._id, peaks, fingerprint.version, fingerprint.seconds)
        carry_out(connection, recording, verdict.original, changes)
        self._released = changes.released
        self._enter("committing")
        if self._claim is not None:
            self._claim.ensure_held()  # a worker that was taken for dead must not write after its successor

    def _hear_released(self) -> None:
        """Have those listened to again that were copies of this one and are no longer."""
        for released in self._released:
            with suppress(InputError):  # its sound is gone: what was decided of it stays
                retry_recording(self._services, released)

    def _publish(self, recording: Recording) -> None:
        found = [match for match in match_store.of(self._database, self._id) if match.decision is Decision.MATCH]
        covered = [(match.query_start_seconds, match.query_end_seconds) for match in found]
        seconds = recording.duration_seconds or 0.0
        unheard = recording.match_status is not MatchStatus.FINGERPRINTED and not found
        publish_event(
            TOPIC,
            RecordingFingerprinted(
                recording_id=recording.id,
                status=recording.match_status or MatchStatus.PENDING,
                time=recording.updated_at or datetime.now(UTC),
                reason=recording.reason,
                original_id=recording.original_video_id,
                duration_seconds=recording.duration_seconds,
                novel_ranges=() if unheard else tuple(complement(covered, seconds, MINIMUM_NOVEL_SECONDS)),
                matches=tuple(_summary(match) for match in found),
            ),
        )

    def _tell_webhooks(self, recording: Recording) -> None:
        # The time of the decision is in the id: the same recording, decided anew, is told anew.
        event_id = f"recording.decided:{recording.id}:{recording.updated_at or ''}"
        enqueue(self._database, "recording.decided", event_id, recording_json(recording))

    def _report(self, _seconds: float) -> None:
        now = time.monotonic()
        if now - self._reported_at >= _PROGRESS_EVERY_SECONDS and self._stream is not None:
            self._reported_at = now
            with suppress(SonicGenError):  # progress is a courtesy; the work goes on without it
                done = self._stream.tell() / max(1, self._upload.size_bytes)
                report_progress(str(self._id), "decoding", min(1.0, done))


def _summary(match: StoredMatch) -> MatchSummary:
    return MatchSummary(
        recording_id=match.reference_id,
        query_start_seconds=match.query_start_seconds,
        query_end_seconds=match.query_end_seconds,
        reference_start_seconds=match.reference_start_seconds,
        reference_end_seconds=match.reference_end_seconds,
        probability=match.probability,
        decision=str(match.decision),
    )
