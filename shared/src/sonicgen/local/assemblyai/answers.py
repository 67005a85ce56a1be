"""The answer's body as AssemblyAI forms it. Times are whole milliseconds."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sonicgen.domain.transcript import Utterance, Word

Json = dict[str, Any]

# What the acoustic model behind the answer is called when somebody gave the answer beforehand.
GIVEN = "given"


def from_lines(
    lines: Sequence[Utterance], *, audio_seconds: float, language: str | None, model: str, speaker_labels: bool
) -> Json:
    """Return the result of a job from what was recognised, plainly marked as local."""
    words = [_word(word) for line in lines for word in line.words]
    utterances = [{**_span(line), "words": [_word(word) for word in line.words]} for line in lines]
    return {
        "text": " ".join(line.text for line in lines),
        "words": words,
        "utterances": utterances if speaker_labels else None,
        "confidence": _mean(word["confidence"] for word in words),
        "audio_duration": math.ceil(audio_seconds),
        "language_code": language,
        "speech_model_used": f"sonicgen-local-{model}",
        "sonicgen_local": True,
    }


def from_given(answer: Mapping[str, Any]) -> Json:
    """Return the result of a job from what was given to /_answers; words that are missing get even times.

    Raises KeyError, TypeError or ValueError when the utterances are not of AssemblyAI's form.
    """
    lines = [_read_line(line) for line in answer.get("utterances") or ()]
    seconds = answer.get("audio_duration")
    result = from_lines(
        lines,
        audio_seconds=float(seconds) if seconds is not None else max((line.end_seconds for line in lines), default=0.0),
        language=str(answer.get("language_code") or "en_us"),
        model=GIVEN,
        speaker_labels=True,
    )
    return {**result, **{key: value for key, value in answer.items() if key != "utterances"}}


def transcript_json(row: sqlite3.Row) -> Json:
    """Return the body that GET /v2/transcript/{id} answers with."""
    request = json.loads(row["request"])
    secret = request.pop("webhook_auth_header_value", None)
    return {
        "language_code": None,
        "text": None,
        "words": None,
        "utterances": None,
        "confidence": None,
        "audio_duration": None,
        "error": None,
        **request,
        "id": row["id"],
        "status": row["status"],
        "audio_url": row["audio_url"],
        "webhook_auth": secret is not None,
        "webhook_status_code": row["webhook_status_code"],
        "sonicgen_local": True,
        **json.loads(row["result"]),
    }


def item_json(row: sqlite3.Row, base_url: str) -> Json:
    """Return a transcript as the list shows it."""
    return {
        "id": row["id"],
        "resource_url": f"{base_url}/v2/transcript/{row['id']}",
        "status": row["status"],
        "created": _time(row["created_at"]),
        "completed": _time(row["completed_at"]),
        "audio_url": row["audio_url"],
        "error": json.loads(row["result"]).get("error"),
    }


def read_lines(body: Mapping[str, Any]) -> list[Utterance]:
    """Return an answer's utterances; all its words as one when nobody told the speakers apart."""
    lines = [_read_line(line) for line in body.get("utterances") or ()]
    if lines or not body.get("words"):
        return lines
    words = tuple(_read_word(word) for word in body["words"])
    return [Utterance(words[0].start_seconds, words[-1].end_seconds, body.get("text") or "", words=words)]


def _read_line(line: Mapping[str, Any]) -> Utterance:
    start, end, text = int(line["start"]), int(line["end"]), str(line["text"])
    speaker = line.get("speaker")
    confidence = float(line.get("confidence", 0.9))
    if line.get("words") is not None:
        words = tuple(_read_word(word) for word in line["words"])
    else:
        texts = text.split()
        step = (end - start) / max(1, len(texts)) / 1000
        words = tuple(
            Word(word, start / 1000 + index * step, start / 1000 + (index + 1) * step, confidence, speaker)
            for index, word in enumerate(texts)
        )
    return Utterance(start / 1000, end / 1000, text, speaker, confidence, words)


def _read_word(word: Mapping[str, Any]) -> Word:
    return Word(
        str(word["text"]),
        int(word["start"]) / 1000,
        int(word["end"]) / 1000,
        float(word.get("confidence", 0.9)),
        word.get("speaker"),
    )


def _span(item: Word | Utterance) -> Json:
    return {
        "text": item.text,
        "start": round(item.start_seconds * 1000),
        "end": round(item.end_seconds * 1000),
        "confidence": round(item.confidence or 0.0, 4),
        "speaker": item.speaker,
    }


def _word(word: Word) -> Json:
    return _span(word)


def _mean(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return round(sum(numbers) / len(numbers), 4) if numbers else None


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
