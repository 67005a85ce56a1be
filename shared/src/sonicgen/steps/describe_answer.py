"""All that people want to know of a clip's answer: where, how sure, who speaks there, what other copies there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sonicgen.domain.match import Decision
from sonicgen.domain.recording import MatchStatus, Recording
from sonicgen.domain.transcript import Utterance
from sonicgen.errors import TransientError
from sonicgen.match.explain import explain
from sonicgen.sound.fingerprint import Fingerprint, has_enough_sound, is_silent
from sonicgen.speech.names import display_name
from sonicgen.steps.find_clip import Found
from sonicgen.steps.search_index import PostgresIndex
from sonicgen.steps.search_versions import comparable
from sonicgen.steps.services import Services
from sonicgen.store import channels, matches, postings, recordings, utterances

# Evidence is weighed for so many candidates; each takes a read of the index.
MOST_EXPLAINED = 3
# So many lines are shown of what is said at a place; all of it is in the transcript.
MOST_LINES = 12
# Lines around a moment, so that a clip of three seconds shows the sentence it is from.
MARGIN_SECONDS = 2.0
MOST_COPIES = 50


@dataclass(frozen=True, slots=True)
class Clip:
    """What was asked about; `is_cut` when only its beginning was listened to."""

    name: str
    fingerprint: Fingerprint
    is_cut: bool = False


def describe_answer(services: Services, clip: Clip, found: Sequence[Found], elapsed_ms: float) -> dict[str, object]:
    """Return the documented form of an answer (docs/api.md), with CityWok's fields among ours.

    Raises UnavailableError when the database does not answer.
    """
    groups = _group(found)
    candidates = [_candidate(services, clip, group, rank) for rank, group in enumerate(groups)]
    best = groups[0][0] if groups else None
    sure = best is not None and best.match.decision is Decision.MATCH
    database = services.database
    return {
        "query": {
            "name": clip.name,
            "path": clip.name,
            "seconds": round(clip.fingerprint.seconds, 3),
            "peaks": len(clip.fingerprint.peaks),
            "truncated": clip.fingerprint.truncated,
            "is_cut": clip.is_cut,
        },
        "match_found": sure,
        "unsure": best is not None and not sure,
        "episode": best.recording.title if best else None,
        "episode_id": str(best.recording.id) if best else None,
        "timestamp": clock(best.match.reference_start_seconds) if best else None,
        "offset": round(best.match.reference_start_seconds, 3) if best else None,
        "confidence": round(best.match.probability, 6) if best else 0.0,
        "aligned_matches": round(best.match.score) if best else 0,
        "total_matches": len(clip.fingerprint.peaks),
        "reason": None if sure else ("low_confidence" if best else "no_matches"),
        "message": _message(clip, best),
        "quality_metrics": _quality(clip, groups, candidates),
        "candidates": candidates,
        "matches": [one.to_json() for one in found],
        "timeline": _timeline(found, groups),
        "searched": {
            "recordings": recordings.counts_by_status(database)[MatchStatus.FINGERPRINTED],
            "seconds": round(postings.indexed_seconds(database), 1),
            "false_positive_rate": services.settings.false_positive_rate,
        },
        "method": "landmarks",
        "processing_time": round(elapsed_ms / 1000, 3),
        "elapsed_ms": round(elapsed_ms, 1),
    }


def clock(seconds: float) -> str:
    """Return a moment as people write it: m:ss, or h:mm:ss."""
    whole = max(0, int(seconds + 0.05))  # 19.999 is twenty
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def say_how_sure(probability: float, decision: Decision) -> str:
    """Return how sure a match is, in words."""
    if decision is Decision.MATCH:
        return "certain" if probability >= 0.9999 else "very likely"
    return "possible" if probability >= 0.5 else "unlikely"


def line_json(line: Utterance) -> dict[str, object]:
    """Return the short form of a line: when, who, what."""
    return {
        "start_seconds": round(line.start_seconds, 3),
        "end_seconds": round(line.end_seconds, 3),
        "speaker": line.speaker,
        "speaker_name": display_name(line),
        "text": line.text,
    }


def _group(found: Sequence[Found]) -> list[list[Found]]:
    """Return the matches of each recording together, the recording with the best one first."""
    groups: dict[UUID, list[Found]] = {}
    for one in found:
        groups.setdefault(one.recording.id, []).append(one)
    return list(groups.values())


def _candidate(services: Services, clip: Clip, group: list[Found], rank: int) -> dict[str, object]:
    best = group[0]
    match, recording = best.match, best.recording
    database = services.database
    original = recordings.find(database, recording.original_video_id) if recording.original_video_id else None
    start, end = match.reference_start_seconds, match.reference_end_seconds
    with database.transaction() as connection:
        lines = utterances.within(connection, recording.id, start - MARGIN_SECONDS, end + MARGIN_SECONDS)
    return {
        "episode_id": str(recording.id),
        "video_id": str(recording.id),
        "title": recording.title,
        "offset": round(start, 3),
        "timestamp": clock(start),
        "aligned_matches": round(match.score),
        "confidence": round(match.probability, 6),
        "sure": say_how_sure(match.probability, match.decision),
        "sharpness": _sharpness(services, clip, best) if rank < MOST_EXPLAINED else None,
        "decision": str(match.decision),
        "channel_id": recording.channel_id,
        "channel_title": channels.title_of(database, recording.channel_id),
        "published_at": recording.published_at.isoformat() if recording.published_at else None,
        "published_uri": recording.published_uri,
        "youtube_id": recording.youtube_id,
        "has_audio": recording.is_stored,
        "duration_seconds": recording.duration_seconds,
        "original": None if original is None else {"id": str(original.id), "title": original.title},
        "ranges": [one.to_json() for one in group],
        "lines": [line_json(line) for line in lines[:MOST_LINES]],
        "speakers": list(dict.fromkeys(filter(None, map(display_name, lines)))),
        "copies": _copies(services, recording, original, start),
    }


def _sharpness(services: Services, clip: Clip, found: Found) -> float | None:
    """Return by how much the offset stands out: pairs of peaks at it, against the best other one; always finite."""
    try:
        heard = comparable(clip.fingerprint, found.recording)
        histogram = explain(heard.peaks, PostgresIndex(services.database), found.match).histogram
    except TransientError:  # it adds to an answer that is there already
        return None
    return round(histogram.at_match / max(1, histogram.best_elsewhere), 3)


def _copies(
    services: Services, recording: Recording, original: Recording | None, moment: float
) -> list[dict[str, object]]:
    """Return the other recordings of the same sound, with the second at which the moment lies in each, if known."""
    database = services.database
    root = original or recording
    places = {
        match.video_id: match.query_start_seconds + (moment - match.reference_start_seconds) / match.speed
        for match in matches.copies_of(database, recording.id)
        if match.decision is Decision.MATCH and match.reference_start_seconds <= moment <= match.reference_end_seconds
    }
    holders = [found for identifier in places if (found := recordings.find(database, identifier)) is not None]
    others = {one.id: one for one in (root, *recordings.copies_of(database, root.id), *holders)}
    others.pop(recording.id, None)
    return [
        {
            "id": str(one.id),
            "title": one.title,
            "youtube_id": one.youtube_id,
            "published_uri": one.published_uri,
            "published_at": one.published_at.isoformat() if one.published_at else None,
            "duration_seconds": one.duration_seconds,
            "is_original": one.id == root.id,
            "seconds": round(max(0.0, places[one.id]), 3) if one.id in places else None,
        }
        for one in list(others.values())[:MOST_COPIES]
    ]


def _quality(clip: Clip, groups: list[list[Found]], candidates: list[dict[str, object]]) -> dict[str, object]:
    """Return CityWok's measures: share of aligned peaks, lead over the second, and how sharp; null where none is."""
    if not groups:
        return {"ratio": 0.0, "margin": None, "sharpness": None}
    scores = [group[0].match.score for group in groups]
    return {
        "ratio": round(scores[0] / max(1, len(clip.fingerprint.peaks)), 4),
        "margin": round(scores[0] / max(1.0, scores[1]), 3) if len(scores) > 1 else None,
        "sharpness": candidates[0]["sharpness"],
    }


def _timeline(found: Sequence[Found], groups: list[list[Found]]) -> list[dict[str, object]]:
    """Return what the clip is made of, in the order of its own time."""
    ranks = {group[0].recording.id: rank for rank, group in enumerate(groups)}
    return [
        {"candidate": ranks[one.recording.id], **one.to_json()}
        for one in sorted(found, key=lambda one: one.match.query_start_seconds)
    ]


def _message(clip: Clip, best: Found | None) -> str:
    if best is not None:
        at = f"“{best.recording.title}” at {clock(best.match.reference_start_seconds)}"
        return f"It is from {at}." if best.match.decision is Decision.MATCH else f"It may be from {at}."
    if is_silent(clip.fingerprint):
        return "There is nothing in it but silence or a steady tone."
    if not has_enough_sound(clip.fingerprint):
        return "It holds too little sound to recognise; about three seconds are enough."
    return "No known recording holds it."
