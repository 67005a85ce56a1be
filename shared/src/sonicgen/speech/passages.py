"""The place in a line that a search is about: what to show of it, and the second to jump to."""

from __future__ import annotations

from dataclasses import dataclass

from sonicgen.domain.transcript import Utterance
from sonicgen.speech.timing import timed_pieces

# About two lines of a terminal or of a page's list; some of it before the match, so that it can be understood.
SNIPPET_CHARACTERS = 180
CONTEXT_CHARACTERS = 50
_ELLIPSIS = "… "


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a line's text, where the words that were looked for stand in it, and when the first is said."""

    snippet: str
    highlights: tuple[tuple[int, int], ...]
    seconds: float


def find_passage(line: Utterance, marked: str, mark_start: str, mark_stop: str) -> Passage:
    """Return the passage of a line whose text has the words that were looked for between two marks.

    It begins at the densest place: the shortest stretch that holds the most different words of those.
    """
    text, spans = _read_marks(" ".join(marked.split()), mark_start, mark_stop)
    if not spans:
        begin, stop = _stretch(text, 0, 0)
        return Passage(_ellipses(text, begin, stop), (), line.start_seconds)
    first, last = _densest(text, spans)
    begin, stop = _stretch(text, spans[first][0], spans[last][1])
    shift = (len(_ELLIPSIS) if begin else 0) - begin
    shown = tuple((a + shift, b + shift) for a, b in spans if a >= begin and b <= stop)
    return Passage(_ellipses(text, begin, stop), shown, _seconds(line, text, spans[first][0]))


def _read_marks(marked: str, start: str, stop: str) -> tuple[str, list[tuple[int, int]]]:
    spans, text = [], ""
    for part in marked.split(start):
        word, found, rest = part.partition(stop)
        if found:
            spans.append((len(text), len(text) + len(word)))
        text += word + rest
    return text, spans


def _densest(text: str, spans: list[tuple[int, int]]) -> tuple[int, int]:
    """Return the first and last span of the shortest stretch in which every different word occurs."""
    words = [text[a:b].casefold() for a, b in spans]
    wanted = len(set(words))
    counts: dict[str, int] = {}
    best, left = (0, len(spans) - 1), 0
    for right, word in enumerate(words):
        counts[word] = counts.get(word, 0) + 1
        while len(counts) == wanted:
            if spans[right][1] - spans[left][0] < spans[best[1]][1] - spans[best[0]][0]:
                best = left, right
            counts[words[left]] -= 1
            if not counts[words[left]]:
                del counts[words[left]]
            left += 1
    return best


def _stretch(text: str, start: int, end: int) -> tuple[int, int]:
    """Return where a snippet begins and ends that holds a stretch, or its beginning where it is too long."""
    if len(text) <= SNIPPET_CHARACTERS:
        return 0, len(text)
    begin = max(0, min(start - CONTEXT_CHARACTERS, len(text) - SNIPPET_CHARACTERS))
    space = text.find(" ", begin, start) if begin else -1
    begin = space + 1 if space >= 0 else begin
    stop = min(len(text), begin + SNIPPET_CHARACTERS)
    space = text.rfind(" ", min(end, stop), stop) if stop < len(text) else -1
    return begin, space if space > begin else stop


def _ellipses(text: str, begin: int, stop: int) -> str:
    before, after = _ELLIPSIS if begin else "", _ELLIPSIS[::-1] if stop < len(text) else ""
    return f"{before}{text[begin:stop]}{after}"


def _seconds(line: Utterance, text: str, at: int) -> float:
    """Return when the word is said that a place in the text lies in; the line's beginning when the texts differ."""
    pieces = timed_pieces(line)
    if "".join(piece.text for piece in pieces) != text:
        return line.start_seconds
    end = 0
    for piece in pieces:
        end += len(piece.text)
        if at < end:
            return piece.start_ms / 1000
    return line.start_seconds
