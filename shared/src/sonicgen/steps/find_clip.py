"""Where is this clip from? Nothing is stored."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sonicgen.domain.match import Match
from sonicgen.domain.recording import Recording
from sonicgen.match.search import warm_up
from sonicgen.match.stream import look_in_stream
from sonicgen.sound.decode import Decoder
from sonicgen.sound.fingerprint import Fingerprint
from sonicgen.sound.fingerprint import fingerprint as take_fingerprint
from sonicgen.steps.search_versions import search_all, versions_wanted
from sonicgen.steps.services import Services

__all__ = ["Answer", "Found", "find_clip", "find_fingerprint", "find_live", "warm_up"]

LIVE_BLOCK_SAMPLES = 2_048  # 0.2 s: how much later than needed a stream may be looked at


@dataclass(frozen=True, slots=True)
class Found:
    """One match and the recording it leads to."""

    match: Match
    recording: Recording

    def to_json(self) -> dict[str, object]:
        """Return the documented form (docs/api.md)."""
        match, recording = self.match, self.recording
        return {
            "video_id": str(recording.id),
            "title": recording.title,
            "youtube_id": recording.youtube_id,
            "query_start_seconds": round(match.query_start_seconds, 3),
            "query_end_seconds": round(match.query_end_seconds, 3),
            "reference_start_seconds": round(match.reference_start_seconds, 3),
            "reference_end_seconds": round(match.reference_end_seconds, 3),
            "speed": round(match.speed, 4),
            "pitch": round(match.pitch, 4),
            "score": round(match.score, 1),
            "probability": round(match.probability, 6),
            "decision": str(match.decision),
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """All matches of a clip, best first; empty when it is from nowhere that is known."""

    path: str
    seconds: float
    truncated: bool
    found: tuple[Found, ...]
    elapsed_ms: float

    def to_json(self) -> dict[str, object]:
        """Return the documented form (docs/api.md)."""
        return {
            "query": {"path": self.path, "seconds": round(self.seconds, 3)},
            "matches": [found.to_json() for found in self.found],
            "elapsed_ms": round(self.elapsed_ms, 1),
        }


def find_clip(services: Services, source: Path | BinaryIO, name: str | None = None) -> Answer:
    """Return every known recording that a clip holds a piece of.

    Raises MediaError when the clip is not usable audio, UnavailableError when the database does not answer.
    """
    started = time.perf_counter()
    clip = take_fingerprint(source, versions=versions_wanted(services.replica))
    return Answer(
        path=name or str(source),
        seconds=clip.seconds,
        truncated=clip.truncated,
        found=find_fingerprint(services, clip),
        elapsed_ms=(time.perf_counter() - started) * 1000,
    )


def find_fingerprint(services: Services, clip: Fingerprint) -> tuple[Found, ...]:
    """Return every known recording that holds a piece of what a fingerprint was made of, best first.

    Raises UnavailableError when the database does not answer.
    """
    found = search_all(services.replica, clip, false_positive_rate=services.settings.false_positive_rate)
    return tuple(Found(match, recording) for match, recording in found)


def find_live(services: Services, source: BinaryIO, name: str) -> Iterator[Answer]:
    """Yield what is known of a stream after 3, 5, 8 and 10 s of it; the first answer with a sure match is the last.

    Raises MediaError when it is not usable audio, UnavailableError when the database does not answer.
    """
    started = time.perf_counter()
    known: dict[int, Recording] = {}

    def search(heard: Fingerprint, rate: float) -> list[Match]:
        found = search_all(services.replica, heard, false_positive_rate=rate)
        known.update((match.recording, recording) for match, recording in found)
        return [match for match, _ in found]

    blocks = Decoder(source, block_samples=LIVE_BLOCK_SAMPLES)
    rate, versions = services.settings.false_positive_rate, versions_wanted(services.replica)
    for look in look_in_stream(iter(blocks), search, false_positive_rate=rate, versions=versions):
        found = tuple(Found(match, known[match.recording]) for match in look.matches)
        yield Answer(name, look.seconds, False, found, (time.perf_counter() - started) * 1000)
