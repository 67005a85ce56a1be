"""Words that a recording takes over from those it was copied from: which stretch from whom, and when they are said."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sonicgen.domain.transcript import TranscriptSource, Utterance, Word

# A match ends up to half a second before the sound that it matches does. The words there are taken over too, as far as
# nothing else covers them.
EDGE_SECONDS = 0.6
# Less than this of a match, where a better one covers the rest, holds no word.
_MINIMUM_SECONDS = 0.2


def choose_sources(
    found: Sequence[TranscriptSource], seconds: float, sent: Sequence[tuple[float, float]]
) -> list[TranscriptSource]:
    """Return, in order of time and without overlap, from which source each stretch of a recording takes its words.

    `found` is in order of preference; what a preferred one covers, another does not. `seconds` is the recording's
    length, `sent` are the stretches that are transcribed anyway. With several sources, or with stretches that are
    transcribed, each source's labels get a prefix: "1-A" is speaker A of the first source.
    """
    chosen: list[TranscriptSource] = []
    for source in found:
        chosen += _free_pieces(source, [(piece.start_seconds, piece.end_seconds) for piece in chosen])
    chosen.sort(key=lambda source: source.start_seconds)
    chosen = _widened(chosen, seconds, sent)
    ordinals: dict[object, int] = {}
    for source in chosen:
        ordinals.setdefault(source.source_id, len(ordinals) + 1)
    if len(ordinals) > 1 or sent:
        chosen = [replace(source, label_prefix=f"{ordinals[source.source_id]}-") for source in chosen]
    return chosen


def inherit(lines: Iterable[Utterance], source: TranscriptSource) -> list[Utterance]:
    """Return what of a source's lines is heard in the stretch, with the recording's times and the prefixed labels.

    A word belongs to the stretch when its middle does; a word that reaches out of it is cut there. A line without words
    is taken whole when its middle belongs.
    """
    taken = []
    for line in lines:
        words = [word for word in line.words if _is_inside(word, source)]
        if not words and (line.words or not _is_inside(line, source)):
            continue
        moved = tuple(_moved_word(word, source) for word in words)
        whole = len(words) == len(line.words)
        taken.append(
            replace(
                line,
                id=None,
                start_seconds=_moved_time(line.start_seconds, source) if whole else moved[0].start_seconds,
                end_seconds=_moved_time(line.end_seconds, source) if whole else max(w.end_seconds for w in moved),
                text=line.text if whole else " ".join(word.text for word in words),
                confidence=line.confidence if whole else math.fsum(w.confidence for w in words) / len(words),
                speaker=_prefixed(line.speaker, source),
                inherited_from=source.source_id,
                words=moved,
            )
        )
    return taken


def _free_pieces(source: TranscriptSource, taken: list[tuple[float, float]]) -> list[TranscriptSource]:
    """Return what of a source lies outside of the ranges that are taken."""
    pieces, at = [], source.start_seconds
    for start, end in [*sorted(taken), (source.end_seconds, math.inf)]:
        if min(start, source.end_seconds) - at >= _MINIMUM_SECONDS:
            pieces.append(_limited(source, at, min(start, source.end_seconds)))
        at = max(at, end)
    return pieces


def _limited(source: TranscriptSource, start: float, end: float) -> TranscriptSource:
    """Return the same alignment between other times of the recording, inside or outside of its own."""
    return replace(
        source,
        start_seconds=start,
        end_seconds=end,
        source_start_seconds=source.source_start_seconds + (start - source.start_seconds) * source.speed,
        source_end_seconds=source.source_end_seconds + (end - source.end_seconds) * source.speed,
    )


def _widened(
    chosen: list[TranscriptSource], seconds: float, sent: Sequence[tuple[float, float]]
) -> list[TranscriptSource]:
    """Return the sources with their edges moved out over what nothing covers, half of it to each neighbour."""
    walls = [(0.0, 0.0), *sent, *((s.start_seconds, s.end_seconds) for s in chosen), (seconds, math.inf)]
    wide = []
    for source in chosen:
        before = max((end for start, end in walls if start < source.start_seconds), default=0.0)
        after = min((start for start, _ in walls if start >= source.end_seconds), default=seconds)
        left = _reach(source.start_seconds - before, is_shared=any(s.end_seconds == before for s in chosen))
        right = _reach(after - source.end_seconds, is_shared=any(s.start_seconds == after for s in chosen))
        left = min(left, source.source_start_seconds / source.speed)  # nothing comes before the source's beginning
        wide.append(_limited(source, source.start_seconds - left, source.end_seconds + right))
    return wide


def _reach(gap: float, *, is_shared: bool) -> float:
    return min(EDGE_SECONDS, max(0.0, gap / 2 if is_shared else gap))


def _is_inside(item: Word | Utterance, source: TranscriptSource) -> bool:
    middle = (item.start_seconds + item.end_seconds) / 2
    return source.source_start_seconds <= middle < source.source_end_seconds


def _moved_word(word: Word, source: TranscriptSource) -> Word:
    return replace(
        word,
        start_seconds=_moved_time(word.start_seconds, source),
        end_seconds=_moved_time(word.end_seconds, source),
        speaker=_prefixed(word.speaker, source),
    )


def _moved_time(seconds: float, source: TranscriptSource) -> float:
    """Return when something of the source is heard in the recording."""
    moved = source.start_seconds + (seconds - source.source_start_seconds) / source.speed
    return min(max(moved, source.start_seconds), source.end_seconds)


def _prefixed(speaker: str | None, source: TranscriptSource) -> str | None:
    return None if speaker is None else f"{source.label_prefix}{speaker}"
