"""The stretches of a recording that are transcribed, and the way of the words' times back to the recording."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from sonicgen.domain.transcript import Part, Utterance, Word

# Silence between two stretches: enough that a recogniser does not hear one sentence across the seam.
GAP_SECONDS = 0.5


def lay_out(ranges: Iterable[tuple[float, float]]) -> tuple[Part, ...]:
    """Return where each range (start, end of the recording) lies in the sound that is submitted."""
    parts: list[Part] = []
    at = 0.0
    for start, end in ranges:
        parts.append(Part(at, start, end - start))
        at += end - start + GAP_SECONDS
    return tuple(parts)


def submitted_seconds(parts: Sequence[Part]) -> float:
    """Return how long the submitted sound is, which is what the provider bills."""
    return parts[-1].submitted_start_seconds + parts[-1].seconds if parts else 0.0


def restore(lines: Iterable[Utterance], parts: Sequence[Part]) -> list[Utterance]:
    """Return lines whose times are of the submitted sound with times of the recording.

    A line across several stretches becomes one line in each. A line without words lies where its middle does.
    """
    restored: list[Utterance] = []
    for line in lines:
        if not line.words:
            part = _part_at((line.start_seconds + line.end_seconds) / 2, parts)
            start, end = (_restore_time(seconds, part) for seconds in (line.start_seconds, line.end_seconds))
            restored.append(replace(line, start_seconds=start, end_seconds=end))
            continue
        groups = groupby(line.words, key=lambda word: _part_at((word.start_seconds + word.end_seconds) / 2, parts))
        pieces = [[_restore_word(word, part) for word in words] for part, words in groups]
        restored += [_line_of(line, words, whole=len(pieces) == 1) for words in pieces]
    return sorted(restored, key=lambda line: (line.start_seconds, line.end_seconds))


def _line_of(line: Utterance, words: list[Word], *, whole: bool) -> Utterance:
    return replace(
        line,
        start_seconds=words[0].start_seconds,
        end_seconds=max(word.end_seconds for word in words),
        text=line.text if whole else " ".join(word.text for word in words),
        confidence=line.confidence if whole else math.fsum(word.confidence for word in words) / len(words),
        words=tuple(words),
    )


def _part_at(seconds: float, parts: Sequence[Part]) -> Part:
    """Return the part that a moment of the submitted sound lies in, or is nearest to."""

    def distance(part: Part) -> float:
        start, end = part.submitted_start_seconds, part.submitted_start_seconds + part.seconds
        return max(start - seconds, seconds - end, 0.0)

    return min(parts, key=distance)


def _restore_word(word: Word, part: Part) -> Word:
    start, end = (_restore_time(seconds, part) for seconds in (word.start_seconds, word.end_seconds))
    return replace(word, start_seconds=start, end_seconds=end)


def _restore_time(seconds: float, part: Part) -> float:
    return part.start_seconds + min(max(seconds - part.submitted_start_seconds, 0.0), part.seconds)
