"""Whose words are whose: a recogniser's words and a diarization's turns become lines.

The two come from different models, so that at a border between turns a word may lie on both sides of it. On 200 made
conversations whose borders are off by 0.2 s (standard deviation) and half of whose longer turns are cut by a false
one, 3.8 % of the words get the wrong speaker when their middle decides, 3.6 % when the overlap does, and 0.7 % after
the steps below; from turns that are exact none does (tests/unit/speech/test_words.py).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, groupby

from sonicgen.domain.transcript import Utterance, Word
from sonicgen.domain.turn import Turn

# A speaker who says no more than this, without a pause, in the middle of somebody else's sentence, has not said it: the
# diarization flipped. An answer ("Yes.") comes after a sentence's end or a pause and is kept.
FLIP_SECONDS = 0.6
FLIP_WORDS = 2
# Two words closer than this are one flow of speech; breathing between sentences takes longer.
FLOW_SECONDS = 0.25
# A border moves to a sentence's end over words no longer than this: twice what diarizations are off by.
SNAP_SECONDS = 0.45
# A speaker's own silence of this length begins a new line, so that one can be jumped to.
PAUSE_SECONDS = 2.0
_SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！")


def assign_words(words: Sequence[Word], turns: Sequence[Turn]) -> list[Word]:
    """Return the same words in the same order, each with the speaker who says it; None when there are no turns."""
    owners = _smooth(words, _owners(words, turns))
    owners = _snap(words, owners)
    return [replace(word, speaker=owner) for word, owner in zip(words, owners, strict=True)]


def lines_of(words: Sequence[Word], *, pause_seconds: float = PAUSE_SECONDS) -> list[Utterance]:
    """Return words that know their speakers as lines: a new one where the speaker changes or pauses."""
    return [_line(group) for group in _runs(words, pause_seconds)]


def _owners(words: Sequence[Word], turns: Sequence[Turn]) -> list[str | None]:
    """Return each word's speaker: whose turns overlap it most, else whose turn is nearest.

    Equal overlaps go to the turn whose middle is nearest, so that a short turn inside a long one keeps its words.
    """
    ordered = sorted((t for t in turns if t.end_seconds > t.start_seconds), key=lambda turn: turn.start_seconds)
    starts = [turn.start_seconds for turn in ordered]
    latest_ends = list(accumulate((turn.end_seconds for turn in ordered), max))
    owners: list[str | None] = []
    for word in words:
        stop = bisect_left(starts, max(word.end_seconds, math.nextafter(word.start_seconds, math.inf)))
        first = stop
        while first and latest_ends[first - 1] > word.start_seconds:
            first -= 1
        shared: dict[str, float] = {}
        for turn in ordered[first:stop]:
            shared[turn.speaker] = shared.get(turn.speaker, 0.0) + _overlap(word, turn)
        most = max(shared.values(), default=0.0)
        if most > 0:
            heard = [turn for turn in ordered[first:stop] if _overlap(word, turn) > 0]
            best = [turn for turn in heard if shared[turn.speaker] >= most - 1e-9]
            owners.append(min(best, key=lambda turn: _from_middle(word, turn)).speaker)
            continue
        near = ordered[max(0, first - 1) : stop + 1]
        if first:  # the turn that ended last may have begun long before its neighbours
            near = [*near, ordered[bisect_left(latest_ends, latest_ends[first - 1])]]
        owners.append(min(near, key=lambda turn: _distance(word, turn)).speaker if near else None)
    return owners


def _smooth(words: Sequence[Word], owners: Sequence[str | None]) -> list[str | None]:
    """Return the speakers without those who appear for a moment in the middle of another's flow of speech."""
    smoothed = list(owners)
    runs = [list(run) for _, run in groupby(range(len(words)), key=lambda index: owners[index])]
    for before, run, after in zip(runs, runs[1:], runs[2:], strict=False):
        first, last = words[run[0]], words[run[-1]]
        previous, following = words[before[-1]], words[after[0]]
        if (
            smoothed[before[-1]] == owners[after[0]]
            and len(run) <= FLIP_WORDS
            and last.end_seconds - first.start_seconds <= FLIP_SECONDS
            and first.start_seconds - previous.end_seconds <= FLOW_SECONDS
            and following.start_seconds - last.end_seconds <= FLOW_SECONDS
            and not previous.text.endswith(_SENTENCE_ENDS)
        ):
            for index in run:
                smoothed[index] = owners[after[0]]
    return smoothed


def _snap(words: Sequence[Word], owners: Sequence[str | None]) -> list[str | None]:
    """Return the speakers with borders that lie inside a sentence moved to its end, if that is close by."""
    snapped = list(owners)
    for border in range(1, len(words)):
        if snapped[border] == snapped[border - 1] or words[border - 1].text.endswith(_SENTENCE_ENDS):
            continue
        if words[border].start_seconds - words[border - 1].end_seconds > FLOW_SECONDS:
            continue  # who pauses there has ended, with a mark or without
        if _ends_soon(words, snapped, border):
            snapped[border] = snapped[border - 1]
        elif _began_just_before(words, snapped, border):
            snapped[border - 1] = snapped[border]
    return snapped


def _ends_soon(words: Sequence[Word], owners: Sequence[str | None], border: int) -> bool:
    """Whether the first word after a border ends the sentence before it, and more of the new speaker follows."""
    word = words[border]
    return (
        word.text.endswith(_SENTENCE_ENDS)
        and word.end_seconds - word.start_seconds <= SNAP_SECONDS
        and border + 1 < len(words)
        and owners[border + 1] == owners[border]
    )


def _began_just_before(words: Sequence[Word], owners: Sequence[str | None], border: int) -> bool:
    """Whether the last word before a border begins a sentence, the one before it having ended."""
    word = words[border - 1]
    return (
        border >= 2
        and owners[border - 2] == owners[border - 1]
        and words[border - 2].text.endswith(_SENTENCE_ENDS)
        and word.end_seconds - word.start_seconds <= SNAP_SECONDS
    )


def _overlap(word: Word, turn: Turn) -> float:
    return max(0.0, min(word.end_seconds, turn.end_seconds) - max(word.start_seconds, turn.start_seconds))


def _distance(word: Word, turn: Turn) -> float:
    return max(0.0, turn.start_seconds - word.end_seconds, word.start_seconds - turn.end_seconds)


def _from_middle(word: Word, turn: Turn) -> float:
    return abs(word.start_seconds + word.end_seconds - turn.start_seconds - turn.end_seconds)


def _runs(words: Sequence[Word], pause_seconds: float) -> Iterator[list[Word]]:
    run: list[Word] = []
    for word in words:
        if run and (word.speaker != run[-1].speaker or word.start_seconds - run[-1].end_seconds > pause_seconds):
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _line(words: Sequence[Word]) -> Utterance:
    return Utterance(
        start_seconds=min(word.start_seconds for word in words),
        end_seconds=max(word.end_seconds for word in words),
        text=" ".join(word.text for word in words),
        speaker=words[0].speaker,
        confidence=sum(word.confidence for word in words) / len(words),
        words=tuple(words),
    )
