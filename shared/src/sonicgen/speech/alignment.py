"""The words of a line after a person wrote its text anew."""

from __future__ import annotations

from dataclasses import replace
from difflib import SequenceMatcher
from itertools import pairwise

from sonicgen.domain.transcript import Utterance, Word
from sonicgen.speech.timing import fill_times, locate_words

# A person wrote it: nothing is more certain.
_WRITTEN_CONFIDENCE = 1.0


def align_words(line: Utterance, text: str) -> tuple[Word, ...]:
    """Return the words of a new text for a line, with times.

    Words that stay keep theirs, apart from case and punctuation. Where as many words are replaced as before each takes
    the place of one; otherwise they share the time of what they replace, or of the gap where nothing was.
    """
    before = line.words
    marked = _with_marks(line, " ".join(text.split()))
    if marked is not None:
        return marked
    texts = text.split()
    spans: list[tuple[float, float] | None] = [None] * len(texts)
    sources: list[Word | None] = [None] * len(texts)
    matcher = SequenceMatcher(None, [_plain(word.text) for word in before], [_plain(t) for t in texts], autojunk=False)
    for tag, old, old_end, new, new_end in matcher.get_opcodes():
        if tag == "equal" or (tag == "replace" and old_end - old == new_end - new):
            for word, index in zip(before[old:old_end], range(new, new_end), strict=True):
                spans[index] = (word.start_seconds, word.end_seconds)
                sources[index] = word if tag == "equal" else None
        elif tag == "replace":
            shared = fill_times(
                texts[new:new_end],
                [None] * (new_end - new),
                before[old].start_seconds,
                before[old_end - 1].end_seconds,
            )
            spans[new:new_end] = shared
    times = fill_times(texts, spans, line.start_seconds, line.end_seconds)
    return tuple(
        Word(
            t,
            start,
            end,
            source.confidence if source else _WRITTEN_CONFIDENCE,
            source.speaker if source else line.speaker,
        )
        for t, (start, end), source in zip(texts, times, sources, strict=True)
    )


def _with_marks(line: Utterance, text: str) -> tuple[Word, ...] | None:
    """Return the words as they stand in a text that only adds marks around them; None for any other text.

    It is the way for languages without spaces, whose words only their order tells apart.
    """
    texts = [word.text for word in line.words]
    old_text = " ".join(line.text.split())
    old, new = locate_words(old_text, texts), locate_words(text, texts)
    if not old or not new:
        return None
    starts = [0, *(start for start, _ in new[1:]), len(text)]
    parts = [text[a:b] for a, b in pairwise(starts)]
    old_starts = [0, *(start for start, _ in old[1:]), len(old_text)]
    old_parts = [old_text[a:b] for a, b in pairwise(old_starts)]
    if any((" " in part) != (" " in before) for part, before in zip(parts, old_parts, strict=True)):
        return None  # "some where" is "somewhere" now
    return tuple(replace(word, text=part.strip()) for word, part in zip(line.words, parts, strict=True))


def _plain(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum()) or text
