"""Editions: one recording with another intro or inserted adverts, and where a second of one lies in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sonicgen.domain.recording import Recording
from sonicgen.errors import InputError
from sonicgen.origin.ranges import complement
from sonicgen.origin.timemap import SHORTEST_SECONDS, Piece, compose, here_seconds, locate
from sonicgen.steps.originals import common
from sonicgen.steps.services import Services
from sonicgen.store import recordings


@dataclass(frozen=True, slots=True)
class TimeMap:
    """Which stretches of a recording lie where in another edition of it."""

    recording: Recording
    other: Recording
    pieces: tuple[Piece, ...]

    def at(self, seconds: float) -> float | None:
        """Return where a second of the recording lies in the other edition; None when that does not have it."""
        return locate(self.pieces, seconds)

    def resumes_at(self, seconds: float) -> float | None:
        """Return the second of the recording from which the other edition has it again; None when it never does."""
        return min((piece.here[0] for piece in self.pieces if piece.here[0] > seconds), default=None)

    def to_json(self, seconds: float | None = None) -> dict[str, object]:
        """Return the documented form (docs/api.md), with where one second lies when it is given."""
        whole = self.recording.duration_seconds or 0.0
        told: dict[str, object] = {
            "recording_id": str(self.recording.id),
            "to_recording_id": str(self.other.id),
            "pieces": [
                {
                    "start_seconds": round(piece.here[0], 3),
                    "end_seconds": round(piece.here[1], 3),
                    "to_start_seconds": round(piece.there[0], 3),
                    "to_end_seconds": round(piece.there[1], 3),
                    "speed": round(piece.speed, 4),
                }
                for piece in self.pieces
            ],
            "gaps": [
                [round(start, 3), round(end, 3)]
                for start, end in complement((p.here for p in self.pieces), whole, SHORTEST_SECONDS)
            ],
        }
        if seconds is not None:
            there, resumes = self.at(seconds), self.resumes_at(seconds)
            told |= {
                "second": seconds,
                "to_second": None if there is None else round(there, 3),
                "resumes_at": None if there is not None or resumes is None else round(resumes, 3),
            }
        return told


def time_map(services: Services, recording: Recording, other: Recording) -> TimeMap:
    """Return the map from one recording to another that holds some of it, by what is on record.

    Two copies that were never compared are led through the original of either. Raises InputError when nothing is known
    to be in both.
    """
    onward = common(services.database, recording.id)
    maps = [onward.get(other.id, [])]
    for through in {recording.original_video_id, other.original_video_id} - {None, recording.id, other.id}:
        if through in onward:
            maps.append(compose(onward[through], common(services.database, through).get(other.id, [])))
    best = max(maps, key=here_seconds)
    if not best or recording.id == other.id:
        raise InputError(f"Nothing of “{recording.title}” is known to be in “{other.title}”.")
    return TimeMap(recording, other, tuple(sorted(best, key=lambda piece: piece.here)))


def check_second(recording: Recording, seconds: float) -> None:
    """Raise InputError for a second that a recording does not have."""
    length = recording.duration_seconds or 0.0
    if not 0.0 <= seconds <= length:
        raise InputError(f"“{recording.title}” is {length:.1f} s long; it has no second {seconds:g}.")


def editions_of(services: Services, recording: Recording) -> list[TimeMap]:
    """Return the maps from a recording to its original, or from an original to each of its copies."""
    if recording.original_video_id is not None:
        others: Sequence[Recording] = [recordings.get(services.database, recording.original_video_id)]
    else:
        others = recordings.copies_of(services.database, recording.id)
    known = common(services.database, recording.id)
    return [time_map(services, recording, other) for other in others if other.id in known]
