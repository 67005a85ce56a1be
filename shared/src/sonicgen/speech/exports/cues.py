"""Subtitle cues: a transcript cut into what fits a screen and can be read while it is said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sonicgen.domain.transcript import Utterance
from sonicgen.speech.names import display_name
from sonicgen.speech.timing import Piece, timed_pieces

# What broadcasters and streaming services ask of subtitles: two lines of 42 characters, seven seconds at most.
LINES_PER_CUE = 2
LINE_CHARACTERS = 42
LONGEST_CUE_MS = 7_000
# Five sixths of a second is the shortest time that those guides give a reader; taken only where nobody else speaks.
READABLE_CUE_MS = 833
# A cue that another voice cuts short still stands for so long.
SHORTEST_CUE_MS = 300
# A silence this long between two words of a line ends a cue: what comes after it must not be read before it is said.
PAUSE_MS = 2_000
# A last cue shorter than this takes words from the one before it.
WIDOW_CHARACTERS = 20
_SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！")


@dataclass(frozen=True, slots=True)
class Cue:
    """One cue: one or two lines of text for a time; `speaker` is a name for people, None when unknown.

    `begins_turn` says that somebody else spoke before, or nobody.
    """

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None
    begins_turn: bool


def cues_of(utterances: Sequence[Utterance], *, with_prefix: bool = False) -> list[Cue]:
    """Return a transcript's cues in order of time: none overlaps another, none is empty, each has a length.

    `with_prefix` puts the name before the first cue of a turn ("Ada: …"), inside the two lines, for formats that cannot
    say who speaks.
    """
    cues: list[Cue] = []
    before: str | None = None
    for utterance in sorted(utterances, key=lambda one: (one.start_seconds, one.end_seconds)):
        speaker = display_name(utterance)
        begins_turn = speaker != before
        pieces = [part for piece in timed_pieces(utterance) for part in _short_enough(piece)]
        if not pieces:
            continue
        if with_prefix and begins_turn and speaker is not None:
            pieces = [*_prefix(speaker, pieces[0].start_ms), *pieces]
        for number, group in enumerate(_without_widow([*_groups(pieces)])):
            lines = wrap("".join(piece.text for piece in group))
            end = min(group[-1].end_ms, group[0].start_ms + LONGEST_CUE_MS)
            cues.append(Cue(group[0].start_ms, end, tuple(lines), speaker, begins_turn and number == 0))
        before = speaker
    return _apart(sorted(cues, key=lambda cue: cue.start_ms))


def wrap(text: str) -> list[str]:
    """Return a text as one line, or as two that are about equally long; more only when it does not fit into two."""
    words = text.split()
    line = " ".join(words)
    if len(line) <= LINE_CHARACTERS:
        return [line] if line else []
    best: tuple[int, list[str]] | None = None
    for cut in range(1, len(words)):
        halves = [" ".join(words[:cut]), " ".join(words[cut:])]
        longest = max(map(len, halves))
        if longest <= LINE_CHARACTERS and (best is None or longest < best[0]):
            best = longest, halves
    if best is not None:
        return best[1]
    if len(words) == 1 or len(line) > LINES_PER_CUE * LINE_CHARACTERS + 1:
        return [line[i : i + LINE_CHARACTERS] for i in range(0, len(line), LINE_CHARACTERS)]
    return [*_greedy(words)]


def _greedy(words: Sequence[str]) -> Iterator[str]:
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > LINE_CHARACTERS:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


def _groups(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Yield the pieces of each cue: as many as fit, cut at a sentence's end where that leaves a full first line."""
    group: list[Piece] = []
    for piece in pieces:
        if group and not _fits(group, piece):
            yield group
            group = []
        group.append(piece)
        text = "".join(part.text for part in group).strip()
        if text.endswith(_SENTENCE_ENDS) and len(text) >= LINE_CHARACTERS:
            yield group
            group = []
    if group:
        yield group


def _without_widow(groups: list[list[Piece]]) -> list[list[Piece]]:
    """Return the groups with the last one filled up from the one before it, when a word or two were left for it."""
    if len(groups) < 2 or _characters(groups[-1]) >= WIDOW_CHARACTERS:
        return groups
    pieces = groups[-2] + groups[-1]
    if "".join(piece.text for piece in groups[-2]).strip().endswith(_SENTENCE_ENDS):
        return groups
    cuts = [cut for cut in range(1, len(pieces)) if _fit(pieces[:cut]) and _fit(pieces[cut:])]
    if not cuts:
        return groups
    best = min(cuts, key=lambda cut: abs(_characters(pieces[:cut]) - _characters(pieces[cut:])))
    return [*groups[:-2], pieces[:best], pieces[best:]]


def _characters(group: Sequence[Piece]) -> int:
    return sum(len(piece.text) for piece in group)


def _fit(group: Sequence[Piece]) -> bool:
    return all(_fits(group[:index], group[index]) for index in range(1, len(group)))


def _fits(group: Sequence[Piece], piece: Piece) -> bool:
    if piece.end_ms - group[0].start_ms > LONGEST_CUE_MS or piece.start_ms - group[-1].end_ms > PAUSE_MS:
        return False
    lines = wrap("".join(part.text for part in (*group, piece)))
    return len(lines) <= LINES_PER_CUE and max(map(len, lines)) <= LINE_CHARACTERS


def _short_enough(piece: Piece) -> Iterator[Piece]:
    """Yield a piece in parts of at most one line; an address or a text without spaces may be longer than that."""
    body = piece.text.rstrip()
    if len(body) <= LINE_CHARACTERS:
        yield piece
        return
    tail = piece.text[len(body) :]
    length = piece.end_ms - piece.start_ms
    for at in range(0, len(body), LINE_CHARACTERS):
        part = body[at : at + LINE_CHARACTERS]
        last = at + LINE_CHARACTERS >= len(body)
        # The space lets the wrapping break here; nothing else could.
        yield Piece(
            part + (tail if last else " "),
            piece.start_ms + length * at // len(body),
            piece.start_ms + length * min(len(body), at + LINE_CHARACTERS) // len(body),
        )


def _prefix(speaker: str, at_ms: int) -> list[Piece]:
    name = speaker if len(speaker) < LINE_CHARACTERS else speaker[: LINE_CHARACTERS - 2] + "…"
    return [Piece(f"{name}: ", at_ms, at_ms)]


def _apart(cues: Sequence[Cue]) -> list[Cue]:
    """Return the cues with times that do not overlap.

    Where two people speak at once, the later one's cue ends the earlier one's; a cue that would stand for less than
    SHORTEST_CUE_MS keeps that and the next one waits.
    """
    done: list[Cue] = []
    for position, cue in enumerate(cues):
        start = max(0, cue.start_ms)
        if done and start < done[-1].end_ms:
            if start - done[-1].start_ms >= SHORTEST_CUE_MS:
                done[-1] = replace(done[-1], end_ms=start)
            else:
                start = done[-1].end_ms
        following = cues[position + 1].start_ms if position + 1 < len(cues) else start + READABLE_CUE_MS
        readable = min(start + READABLE_CUE_MS, following)
        end = max(cue.end_ms, readable, start + SHORTEST_CUE_MS)
        done.append(replace(cue, start_ms=start, end_ms=min(end, start + LONGEST_CUE_MS)))
    return done
