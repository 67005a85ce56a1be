"""SubRip (.srt) and WebVTT (.vtt, https://www.w3.org/TR/webvtt1/)."""

from __future__ import annotations

from collections.abc import Sequence

from sonicgen.domain.transcript import Utterance
from sonicgen.speech.exports.cues import cues_of


def to_srt(utterances: Sequence[Utterance]) -> str:
    """Return a transcript as SubRip; the first cue of each turn begins with the speaker's name.

    SubRip has no way to escape: an arrow inside the text, which readers take for a time line, becomes another arrow.
    """
    blocks = []
    for number, cue in enumerate(cues_of(utterances, with_prefix=True), start=1):
        times = f"{clock_text(cue.start_ms, ',')} --> {clock_text(cue.end_ms, ',')}"
        text = "\n".join(cue.lines).replace("-->", "→")
        blocks.append(f"{number}\n{times}\n{text}\n")
    return "\n".join(blocks)


def to_vtt(utterances: Sequence[Utterance]) -> str:
    """Return a transcript as WebVTT; every cue names its speaker in a voice tag."""
    blocks = ["WEBVTT\n"]
    for cue in cues_of(utterances):
        times = f"{clock_text(cue.start_ms, '.')} --> {clock_text(cue.end_ms, '.')}"
        text = "\n".join(_escape(line) for line in cue.lines)
        voice = f"<v {_escape(cue.speaker)}>" if cue.speaker else ""
        blocks.append(f"{times}\n{voice}{text}\n")
    return "\n".join(blocks)


def clock_text(milliseconds: int, separator: str) -> str:
    """Write a moment as hh:mm:ss and milliseconds; hours take as many digits as they need."""
    seconds, milliseconds = divmod(max(0, milliseconds), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{separator}{milliseconds:03d}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
