"""A transcript as text for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sonicgen.domain.transcript import Utterance, Word
from sonicgen.speech.exports.subtitles import clock_text
from sonicgen.speech.names import display_name


def to_txt(utterances: Sequence[Utterance]) -> str:
    """Return a transcript as one line for each of its lines: time, name, text."""
    lines = []
    for utterance in utterances:
        time = clock_text(round(utterance.start_seconds * 1000), ".")[:-4]
        name = display_name(utterance)
        lines.append(f"[{time}] {f'{name}: ' if name else ''}{' '.join(utterance.text.split())}\n")
    return "".join(lines)


def to_json(utterances: Sequence[Utterance], about: Mapping[str, object]) -> str:
    """Return a transcript as the documented JSON (docs/api.md); `about` comes first."""
    return json.dumps(transcript_json(utterances, about), ensure_ascii=False, indent=1) + "\n"


def transcript_json(utterances: Sequence[Utterance], about: Mapping[str, object]) -> dict[str, object]:
    """Return the documented form of a transcript: what it is about, its speakers, its lines with their words."""
    speakers: dict[str, str] = {}
    for utterance in utterances:
        if utterance.speaker is not None:
            speakers.setdefault(utterance.speaker, display_name(utterance) or utterance.speaker)
    return {
        **about,
        "speakers": [{"label": label, "name": name} for label, name in sorted(speakers.items())],
        "utterances": [_line_json(position, utterance) for position, utterance in enumerate(utterances)],
    }


def _line_json(position: int, utterance: Utterance) -> dict[str, object]:
    return {
        "position": position,
        "start_seconds": round(utterance.start_seconds, 3),
        "end_seconds": round(utterance.end_seconds, 3),
        "speaker": utterance.speaker,
        "speaker_name": utterance.speaker_name,
        "text": utterance.text,
        "confidence": None if utterance.confidence is None else round(utterance.confidence, 3),
        "inherited_from": str(utterance.inherited_from) if utterance.inherited_from else None,
        "words": [_word_json(word) for word in utterance.words],
    }


def _word_json(word: Word) -> dict[str, object]:
    return {
        "text": word.text,
        "start_seconds": round(word.start_seconds, 3),
        "end_seconds": round(word.end_seconds, 3),
        "confidence": round(word.confidence, 3),
    }
