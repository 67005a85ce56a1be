"""What a speaker is called in front of people."""

from __future__ import annotations

from sonicgen.domain.transcript import Utterance

# Providers label speakers with a letter or two, or a number; what is longer speaks for itself.
_LONGEST_LABEL = 3


def display_name(utterance: Utterance) -> str | None:
    """Return the name of whoever says a line: the person's, else "Speaker A"; None when nobody could tell."""
    name = _one_line(utterance.speaker_name)
    if name:
        return name
    label = _one_line(utterance.speaker)
    if not label:
        return None
    return f"Speaker {label}" if len(label) <= _LONGEST_LABEL else label


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
