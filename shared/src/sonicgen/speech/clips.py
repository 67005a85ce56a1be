"""Which stretches of a recording let one speaker be heard alone: long turns first, away from other voices."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sonicgen.domain.transcript import Utterance
from sonicgen.domain.turn import Turn

Range = tuple[float, float]

# Part of every digest: clips are cut anew when how they are chosen has changed.
RECIPE = 1
# Providers' turns begin and end up to a quarter of a second early or late; so much is left out beside another voice.
BORDER_SECONDS = 0.3
# A speaker's lines that are closer, with nobody between, are one turn.
JOIN_SECONDS = 1.0
# A vector of less speech says little (equal error rate of 1 s is twice that of 3 s), and nobody knows a voice by it.
SHORTEST_SECONDS = 1.5
LONGEST_SECONDS = 10.0
# So much more than is kept is looked at, since silence and music are left out of it.
LOOKED_AT = 2.0


def turns_by_label(lines: Iterable[Utterance]) -> dict[str | None, list[Range]]:
    """Return when each speaker of a transcript speaks, in order; None stands for lines of which nobody knows whose."""
    turns: dict[str | None, list[Range]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: (line.start_seconds, line.end_seconds)):
        if line.end_seconds > line.start_seconds:
            turns[line.speaker].append((line.start_seconds, line.end_seconds))
    return dict(turns)


def layout_digest(turns: Mapping[str | None, Sequence[Range]], most_seconds: float) -> str:
    """Return what stands for everything that clips are chosen by; texts and names are not part of it."""
    told = [f"{RECIPE}\n{most_seconds}"]
    for label in sorted(turns, key=lambda label: (label is not None, label or "")):
        spans = " ".join(f"{start:.3f}-{end:.3f}" for start, end in turns[label])
        told.append(f"{'' if label is None else '=' + label}\n{spans}")
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:32]


def candidates(turns: Mapping[str | None, Sequence[Range]], label: str, most_seconds: float) -> list[Range]:
    """Return stretches, in order of time, in which nobody but one speaker has a turn.

    Together at most LOOKED_AT times `most_seconds`, long turns first; a monologue's pieces are spread over all of it.
    """
    others = [span for other, spans in turns.items() if other != label for span in spans]
    free = _without(_joined(turns[label], others), [(a - BORDER_SECONDS, b + BORDER_SECONDS) for a, b in others])
    pieces = [piece for span in free for piece in _pieces(span)]
    pieces.sort(key=lambda piece: piece[0] - piece[1])  # by length; equal ones stay in order of time
    whole = sum(end - start >= LONGEST_SECONDS - 1e-6 for start, end in pieces)
    return sorted(_take(_spread(pieces[:whole]) + pieces[whole:], LOOKED_AT * most_seconds))


def choose(speech: Iterable[Range], most_seconds: float) -> list[Range]:
    """Return which stretches of one speaker's clean speech become clips, in order of time: the longest ones."""
    pieces = [piece for span in speech for piece in _pieces(span)]
    pieces.sort(key=lambda piece: (piece[0] - piece[1], piece[0]))
    return sorted(_take(pieces, most_seconds))


def common(first: Iterable[Range], second: Iterable[Range]) -> list[Range]:
    """Return where ranges of both overlap, in order of time."""
    both = [(max(a, c), min(b, d)) for a, b in first for c, d in second if a < d and c < b]
    return sorted((start, end) for start, end in both if end > start)


def is_same_voice(before: Sequence[Turn], after: Sequence[Range]) -> bool:
    """Return whether a label's turns are, for the most part, those that it had before."""
    old, new = [(turn.start_seconds, turn.end_seconds) for turn in before], list(after)
    shared = _length(common(old, new))
    return shared >= 0.5 * max(_length(old), _length(new)) > 0


def speech_seconds(turns: Iterable[Range]) -> float:
    """Return how long somebody speaks."""
    return _length(turns)


def _length(ranges: Iterable[Range]) -> float:
    return sum(end - start for start, end in ranges)


def _joined(turns: Iterable[Range], others: Sequence[Range]) -> list[Range]:
    joined: list[Range] = []
    for start, end in sorted(turns):
        if joined:
            gap = (joined[-1][1], start)
            if start - gap[0] <= JOIN_SECONDS and not any(a < start and b > gap[0] for a, b in others):
                joined[-1] = (joined[-1][0], max(end, gap[0]))
                continue
        joined.append((start, end))
    return joined


def _without(ranges: Iterable[Range], taken: Iterable[Range]) -> list[Range]:
    """Return what of the ranges lies outside of those that are taken."""
    left: list[Range] = []
    blocks = sorted(taken)
    for start, end in ranges:
        at = max(0.0, start)
        for a, b in blocks:
            if b <= at or a >= end:
                continue
            if a > at:
                left.append((at, a))
            at = max(at, b)
        if at < end:
            left.append((at, end))
    return left


def _pieces(span: Range) -> list[Range]:
    """Return a stretch as pieces of LONGEST_SECONDS, the last one shorter; none of what is too short for a clip."""
    pieces, at = [], span[0]
    while span[1] - at >= SHORTEST_SECONDS - 1e-6:
        end = min(span[1], at + LONGEST_SECONDS)
        pieces.append((at, end))
        at = end
    return pieces


def _spread(pieces: Sequence[Range]) -> list[Range]:
    """Return pieces in an order whose every beginning lies spread over the whole: middle, quarters, eighths…"""
    bits = max(1, (len(pieces) - 1).bit_length())
    order = sorted(range(len(pieces)), key=lambda index: int(f"{index:0{bits}b}"[::-1], 2))
    return [pieces[index] for index in order]


def _take(pieces: Iterable[Range], most_seconds: float) -> list[Range]:
    taken: list[Range] = []
    left = most_seconds
    for start, end in pieces:
        if left < SHORTEST_SECONDS:
            break
        taken.append((start, min(end, start + left)))
        left -= taken[-1][1] - taken[-1][0]
    return taken
