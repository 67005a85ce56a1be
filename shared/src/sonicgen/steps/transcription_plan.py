"""What of a recording has to be transcribed, and whose words the rest takes over."""

from __future__ import annotations

from dataclasses import dataclass

from sonicgen.domain.match import Decision
from sonicgen.domain.recording import MatchStatus, Recording
from sonicgen.domain.transcript import TranscriptSource
from sonicgen.origin.ranges import Range, complement, total_seconds
from sonicgen.origin.verdict import MINIMUM_NOVEL_SECONDS
from sonicgen.speech.inherit import choose_sources
from sonicgen.store.matches import StoredMatch

# Of a recording that nothing known covers; less than this holds no word.
MINIMUM_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """The stretches to be sent, the sources of the others, and what is neither."""

    sent: list[Range]
    sources: list[TranscriptSource]
    omitted_seconds: float


def make_plan(recording: Recording, found: list[StoredMatch]) -> Plan:
    """Return the plan for a recording that is decided, from its matches on record.

    The best source of a stretch is the recording's original, then the match that covers most.
    """
    seconds = recording.duration_seconds or 0.0
    sources = [_source(match) for match in sorted(found, key=lambda m: _rank(m, recording)) if _is_sure(match)]
    if not sources and recording.match_status is MatchStatus.MATCHED and recording.original_video_id is not None:
        # Byte for byte the same file: it was linked without looking for matches.
        sources = [TranscriptSource(recording.original_video_id, 0.0, seconds, 0.0, seconds)] if seconds else []
    covered = [(source.start_seconds, source.end_seconds) for source in sources]
    sent = complement(covered, seconds, MINIMUM_NOVEL_SECONDS if covered else MINIMUM_SECONDS)
    chosen = choose_sources(sources, seconds, sent)
    used = total_seconds([*sent, *((source.start_seconds, source.end_seconds) for source in chosen)])
    return Plan(sent, chosen, max(0.0, seconds - used))


def _is_sure(match: StoredMatch) -> bool:
    return match.decision is Decision.MATCH and match.query_end_seconds > match.query_start_seconds


def _rank(match: StoredMatch, recording: Recording) -> tuple[bool, float]:
    return match.reference_id != recording.original_video_id, match.query_start_seconds - match.query_end_seconds


def _source(match: StoredMatch) -> TranscriptSource:
    return TranscriptSource(
        source_id=match.reference_id,
        start_seconds=match.query_start_seconds,
        end_seconds=match.query_end_seconds,
        source_start_seconds=match.reference_start_seconds,
        source_end_seconds=max(match.reference_end_seconds, match.reference_start_seconds + 1e-3),
        speed=match.speed,
    )
