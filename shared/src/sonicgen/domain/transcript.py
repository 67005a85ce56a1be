"""What was said in a recording, by whom and when."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word; times are of the recording it belongs to, confidence is from 0 to 1."""

    text: str
    start_seconds: float
    end_seconds: float
    confidence: float
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one speaker says without a break; `speaker` is a label within the transcript ("A"), None when unknown."""

    start_seconds: float
    end_seconds: float
    text: str
    speaker: str | None = None
    confidence: float | None = None
    words: tuple[Word, ...] = ()
