"""A finished transcript in AssemblyAI's other forms: sentences, paragraphs, subtitles, found words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from sonicgen.local.assemblyai.answers import read_lines
from sonicgen.speech.exports.subtitles import to_srt, to_vtt

Json = dict[str, Any]

# The recogniser may write no marks; a pause of this length then ends a sentence.
SENTENCE_PAUSE_MS = 700
_SENTENCE_ENDS = (".", "?", "!")


def answer(form: str, body: Json, query: Mapping[str, str]) -> Response:
    """Return a transcript's body in another form; 404 for a form that AssemblyAI does not have either."""
    common = {key: body.get(key) for key in ("id", "confidence", "audio_duration", "speech_model_used")}
    common["confidence"] = common["confidence"] or 0.0
    words = body.get("words") or []
    if form == "sentences":
        return JSONResponse({**common, "sentences": [_part(group) for group in _sentences(words)]})
    if form == "paragraphs":
        paragraphs = [line["words"] for line in body.get("utterances") or ()] or ([words] if words else [])
        return JSONResponse({**common, "paragraphs": [_part(group) for group in paragraphs if group]})
    if form == "word-search":
        return JSONResponse(_search(words, query.get("words", "").split(",")))
    if form == "srt":
        return PlainTextResponse(to_srt(read_lines(body)))
    if form == "vtt":
        return PlainTextResponse(to_vtt(read_lines(body)))
    return JSONResponse({"error": "Not found"}, 404)


def _sentences(words: Sequence[Json]) -> Iterator[list[Json]]:
    group: list[Json] = []
    for word in words:
        if group and (
            word["speaker"] != group[-1]["speaker"]
            or word["start"] - group[-1]["end"] > SENTENCE_PAUSE_MS
            or str(group[-1]["text"]).endswith(_SENTENCE_ENDS)
        ):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _part(words: Sequence[Json]) -> Json:
    return {
        "text": " ".join(word["text"] for word in words),
        "start": words[0]["start"],
        "end": words[-1]["end"],
        "confidence": sum(word["confidence"] for word in words) / len(words),
        "speaker": words[0]["speaker"],
        "words": list(words),
    }


def _search(words: Sequence[Json], wanted: Sequence[str]) -> Json:
    matches = []
    for text in filter(None, (one.strip().lower() for one in wanted)):
        places = [index for index, word in enumerate(words) if word["text"].lower().strip(".,?!") == text]
        spans = [[words[index]["start"], words[index]["end"]] for index in places]
        matches.append({"text": text, "count": len(places), "timestamps": spans, "indexes": places})
    matches = [match for match in matches if match["count"]]
    return {"total_count": sum(match["count"] for match in matches), "matches": matches}
