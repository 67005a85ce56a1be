"""What lies behind matches: the peaks that align, what the old rules would say, and which stretches are shared."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from sonicgen.cloud.objects import open_object
from sonicgen.domain.match import Decision
from sonicgen.domain.recording import Recording
from sonicgen.errors import SonicGenError
from sonicgen.log import log
from sonicgen.match.explain import Explanation, explain, hertz_of, seconds_of
from sonicgen.match.policies import MatchPolicy, Ruling, rule
from sonicgen.origin.ranges import Range
from sonicgen.origin.shared import Held, SharedSegment, find_shared
from sonicgen.sound.decode import decode_blocks
from sonicgen.sound.fingerprint import fingerprint as take_fingerprint
from sonicgen.sound.landmarks import index_landmarks
from sonicgen.sound.spectrum import FRAMES_PER_SECOND, SAMPLE_RATE_HZ, WhitenedSpectrum
from sonicgen.steps.find_clip import Answer, Found
from sonicgen.steps.search_index import PostgresIndex
from sonicgen.steps.search_versions import comparable, versions_wanted
from sonicgen.steps.services import Services
from sonicgen.store import matches as match_store
from sonicgen.store import recordings
from sonicgen.store.matches import StoredMatch

__all__ = ["ExplainedAnswer", "ExplainedMatch", "Spectrogram", "explain_answer", "hertz_of", "seconds_of", "shared_segments_of"]  # fmt: skip  # noqa: E501

logger = logging.getLogger(__name__)

# A file is decoded from its beginning; a stretch that lies deeper in it is shown by its peaks alone. Half an hour takes
# about five seconds.
DEEPEST_SECONDS = 1_800.0

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Spectrogram:
    """Sound as SonicGen hears it: whitened log power, a row for each frame, a column for each bin from the lowest.

    `start_seconds` is where the first row lies in its recording.
    """

    rows: Rows
    start_seconds: float

    @property
    def end_seconds(self) -> float:
        """Where the last row ends."""
        return self.start_seconds + len(self.rows) / FRAMES_PER_SECOND


@dataclass(frozen=True, slots=True)
class ExplainedMatch:
    """One match with what it rests on."""

    found: Found
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class ExplainedAnswer:
    """An answer, decided by `policy`, with what each match rests on and what the old rules say of the whole clip."""

    answer: Answer
    matches: tuple[ExplainedMatch, ...]
    rulings: dict[MatchPolicy, Ruling]
    policy: MatchPolicy

    def to_json(self) -> dict[str, object]:
        """Return the documented form (docs/api.md): the answer, each match with its explanation, the old rules."""
        form = self.answer.to_json()
        described = cast(list[dict[str, object]], form["matches"])
        numbers = {item.found.match.recording: str(item.found.recording.id) for item in self.matches}
        return {
            **form,
            "matches": [
                {**one, "explanation": item.explanation.to_json()}
                for one, item in zip(described, self.matches, strict=True)
            ],
            "policy": str(self.policy),
            "old_rules": {str(policy): _ruling_json(ruling, numbers) for policy, ruling in self.rulings.items()},
        }


def explain_answer(services: Services, source: Path | BinaryIO, answer: Answer) -> ExplainedAnswer:
    """Return what an answer rests on, with the decisions of the policy that is set.

    The clip is read once more, recordings only through the index. An old rule accepts the matches with one recording or
    none. Raises what `find_clip` raises.
    """
    clip = take_fingerprint(source, versions=versions_wanted(services.replica))
    index = PostgresIndex(services.replica)
    landmarks = index_landmarks(clip.peaks)
    rulings = {policy: rule(policy, *landmarks, index) for policy in (MatchPolicy.V1, MatchPolicy.V2)}
    policy = MatchPolicy(services.settings.match_policy)
    if policy in rulings:
        ruling = rulings[policy]
        accepted = ruling.recording if ruling.is_accepted else None
        answer = replace(answer, found=tuple(_with_decision(found, accepted) for found in answer.found))
    explained = tuple(
        ExplainedMatch(found, explain(comparable(clip, found.recording).peaks, index, found.match))
        for found in answer.found
    )
    return ExplainedAnswer(answer, explained, rulings, policy)


def clip_spectrogram(source: Path, explained: ExplainedMatch) -> Spectrogram | None:
    """Return the clip's part of the explained seconds, None when it lies too deep in its file."""
    return spectrogram_of(decode_blocks(source), explained.explanation.query_stretch)


def reference_spectrogram(explained: ExplainedMatch) -> Spectrogram | None:
    """Return the recording's part of the explained seconds, None when its file is gone, too long or out of reach."""
    recording = explained.found.recording
    if explained.explanation.reference_stretch[1] > DEEPEST_SECONDS:
        return None
    try:
        with open_object(recording.bucket, recording.object_name, recording.generation or None) as stream:
            return spectrogram_of(decode_blocks(cast(BinaryIO, stream)), explained.explanation.reference_stretch)
    except SonicGenError as error:  # the peaks are enough for an explanation
        log(logger, f"The recording is drawn by its peaks alone: {error}", recording_id=str(recording.id))
        return None


def shared_segments_of(services: Services, recording: Recording) -> list[SharedSegment]:
    """Return which stretches of a recording several others hold too, from the matches on record in both directions."""
    database = services.database
    held = [
        (match.reference_id, (match.query_start_seconds, match.query_end_seconds), _reference_range(match))
        for match in match_store.of(database, recording.id)
        if match.decision is Decision.MATCH
    ]
    held += [
        (match.video_id, _reference_range(match), (match.query_start_seconds, match.query_end_seconds))
        for match in match_store.copies_of(database, recording.id)
        if match.decision is Decision.MATCH
    ]
    if recording.duration_seconds is None or not held:
        return []
    others = {identifier: recordings.find(database, identifier) for identifier in {item[0] for item in held}}
    return find_shared(recording.duration_seconds, _held_by(held, others))


def _held_by(held: Sequence[tuple[UUID, Range, Range]], others: dict[UUID, Recording | None]) -> Iterator[Held[UUID]]:
    for identifier, here, there in held:
        other = others[identifier]
        if other is not None and other.duration_seconds is not None:
            yield Held(other.original_video_id or other.id, other.id, here, there, other.duration_seconds)


def _reference_range(match: StoredMatch) -> Range:
    return match.reference_start_seconds, match.reference_end_seconds


def spectrogram_of(blocks: Iterator[NDArray[np.float32]], stretch: Range) -> Spectrogram | None:
    """Return the rows of a stretch; sound before it is decoded and dropped, sound behind it is not decoded."""
    first, last = (round(moment * SAMPLE_RATE_HZ) for moment in stretch)
    if stretch[1] > DEEPEST_SECONDS:
        return None
    spectrum = WhitenedSpectrum()
    rows: list[Rows] = []
    position = 0
    for block in blocks:
        part = block[max(0, first - position) : max(0, last - position)]
        rows.extend(spectrum.feed(part))
        position += len(block)
        if position >= last:
            break
    made = list(chain(rows, spectrum.finish()))
    return Spectrogram(np.concatenate(made), stretch[0]) if made else None


def _with_decision(found: Found, accepted: int | None) -> Found:
    decision = Decision.MATCH if found.match.recording == accepted else Decision.UNSURE
    return replace(found, match=replace(found.match, decision=decision))


def _ruling_json(ruling: Ruling, numbers: dict[int, str]) -> dict[str, object]:
    return {
        "accepted": ruling.is_accepted,
        "refusal": ruling.refusal and str(ruling.refusal),
        "video_id": numbers.get(ruling.recording) if ruling.recording is not None else None,
        "aligned_landmarks": ruling.aligned,
        "asked_landmarks": ruling.asked,
        "share": round(ruling.share, 4),
    }
