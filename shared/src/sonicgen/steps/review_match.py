"""What a person says of an uncertain match: on record as a decision with its grounds, and taken back at any time."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import numpy as np

from sonicgen.domain.match import Decision, Match
from sonicgen.domain.recording import Recording
from sonicgen.errors import ConflictError, InputError, NotFoundError
from sonicgen.log import log
from sonicgen.match.explain import MOST_SECONDS, explain, hertz_of, seconds_of
from sonicgen.sound.packing import unpack_peaks
from sonicgen.sound.peaks import Peaks, join_peaks
from sonicgen.sound.spectrum import FRAMES_PER_SECOND
from sonicgen.steps.retry_recording import retry_recording
from sonicgen.steps.search_index import PostgresIndex
from sonicgen.steps.services import Services
from sonicgen.steps.tell_webhooks import enqueue
from sonicgen.store import decisions, matches, postings, recordings
from sonicgen.store.decisions import StoredDecision
from sonicgen.store.matches import Review, StoredMatch

KIND = "match_review"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A match after it was reviewed, and the decision that is on record of it."""

    match: StoredMatch
    decision: StoredDecision


def review_match(services: Services, match_id: UUID, verdict: Review, *, reviewed_by: str) -> Reviewed:
    """Accept or reject a match; where that changes what the recording is, it is judged anew by the verdict.

    Raises NotFoundError, and ConflictError when it was reviewed before.
    """
    match = matches.get(services.database, match_id)
    if match.review is not None:
        raise ConflictError(f"The match was {match.review} by {match.reviewed_by} before; take that back first.")
    grounds = {
        "verdict": verdict,
        "false_positive_rate": services.settings.false_positive_rate,
        "probability": match.probability,
        "log10_chance": match.log10_chance,
        "score": match.score,
        "decision": str(match.decision),
    }
    with services.database.transaction() as connection:
        subjects = [match.id, match.video_id, match.reference_id]
        decision = decisions.record(connection, KIND, subjects, decided_by=reviewed_by, thresholds=grounds)
        reviewed = matches.set_review(connection, match_id, verdict, reviewed_by)
        enqueue(connection, "match.reviewed", f"match.reviewed:{decision.id}", reviewed.to_json())
    if (verdict == "accepted") != (match.decision is Decision.MATCH):
        _judge_again(services, match)
    return Reviewed(reviewed, decision)


def undo_review(services: Services, match_id: UUID) -> Reviewed:
    """Take back what was said of a match. Raises NotFoundError when nothing was."""
    standing = [
        decision
        for decision in decisions.about(services.database, match_id)
        if decision.kind == KIND and decision.undone_at is None
    ]
    if not standing:
        raise NotFoundError("Nobody has reviewed this match, or it was taken back before.")
    with services.database.transaction() as connection:
        decision = decisions.undo(connection, standing[-1].id)
        match = matches.set_review(connection, match_id, None, None)
    if decision.thresholds.get("decision") != str(match.decision):
        _judge_again(services, match)
    return Reviewed(match, decision)


def _judge_again(services: Services, match: StoredMatch) -> None:
    recording = recordings.get(services.database, match.video_id)
    try:
        retry_recording(services, recording)
    except InputError as error:  # the verdict stands; it counts when the sound is there again
        log(logger, str(error), level=logging.WARNING, recording_id=str(recording.id))


def evidence_of(services: Services, match: StoredMatch) -> dict[str, object]:
    """Return what a match on record rests on (docs/api.md); raise NotFoundError when the index holds a side no more."""
    database = services.database
    query, reference = (recordings.get(database, each) for each in (match.video_id, match.reference_id))
    if reference.number is None:
        raise NotFoundError(f"“{reference.title}” is not in the index any more.")
    if query.number is not None and query.index_version != reference.index_version:
        raise NotFoundError(f"“{query.title}” and “{reference.title}” are being heard anew; look again later.")
    peaks = _peaks_of(services, query, match)
    if peaks is None:
        raise NotFoundError(f"The landmarks of “{query.title}” are not kept: all of it is a copy.")
    explanation = explain(peaks, PostgresIndex(database), _as_match(match, reference.number))
    form: dict[str, object] = explanation.to_json()
    for side, side_peaks in (("query", explanation.query), ("reference", explanation.reference)):
        form[f"{side}_landmarks"] = _landmarks(side_peaks)
    return form


def _peaks_of(services: Services, recording: Recording, match: StoredMatch) -> Peaks | None:
    if recording.number is None:
        return None
    first, last = match.query_start_seconds, min(match.query_end_seconds, match.query_start_seconds + MOST_SECONDS)
    wanted = [(recording.number, int(first * FRAMES_PER_SECOND), int(last * FRAMES_PER_SECOND) + 1)]
    segments = next(iter(postings.peak_segments(services.database, wanted)), [])
    peaks = join_peaks([unpack_peaks(data, start) for start, data in segments])
    return peaks if len(peaks) else None


def _landmarks(peaks: Peaks) -> dict[str, list[float]]:
    return {
        "seconds": cast(list[float], np.round(seconds_of(peaks.frames), 3).tolist()),
        "hz": cast(list[float], np.round(hertz_of(peaks.pitches), 1).tolist()),
    }


def _as_match(match: StoredMatch, number: int) -> Match:
    return Match(
        number,
        match.query_start_seconds,
        match.query_end_seconds,
        match.reference_start_seconds,
        match.reference_end_seconds,
        match.speed,
        match.pitch,
        match.score,
        match.probability,
        match.log10_chance,
        Decision(match.decision),
    )
