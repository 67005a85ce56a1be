"""A file to words with speakers: decode, find the speech, tell the voices apart, recognise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from string import ascii_uppercase
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast

import numpy as np

from sonicgen.domain.transcript import Word
from sonicgen.domain.turn import Turn
from sonicgen.embedder.encoders.onnx import OnnxEncoder, ecapa_small
from sonicgen.local.assemblyai.answers import Json, from_lines
from sonicgen.local.recogniser import Recogniser
from sonicgen.sound.decode import Decoder
from sonicgen.speech.words import assign_words, lines_of
from sonicgen.voices.activity import Stretch, find_speech
from sonicgen.voices.diarize import diarize
from sonicgen.voices.samples import SAMPLE_RATE_HZ, Samples, duration_seconds

# Stretches of speech that are closer are recognised as one: words need their neighbours. Together they stay below what
# the recogniser takes at once.
JOIN_GAP_SECONDS, JOINED_SECONDS = 0.8, 18.0


def transcribe(path: Path, recogniser: Recogniser, order: Mapping[str, Any]) -> Json:
    """Return the result of a submitted order for a file of any length, in bounded memory.

    Raises MediaError when the file is not audio.
    """
    with TemporaryFile(dir=path.parent) as scratch:
        samples = decode(path, scratch)
        samples = _cut(samples, order.get("audio_start_from"), order.get("audio_end_at"))
        shift = (order.get("audio_start_from") or 0) / 1000
        speech = find_speech(samples)
        words = [
            word
            for stretch in _joined(speech)
            for word in recogniser.transcribe(samples, stretch.start_seconds, stretch.end_seconds)
        ]
        turns = _turns(samples, speech, order) if words and order.get("speaker_labels") else []
        lines = lines_of([_moved(word, shift) for word in assign_words(words, turns)])
        return from_lines(
            lines,
            audio_seconds=duration_seconds(samples),
            language=recogniser.language,
            model=recogniser.name,
            speaker_labels=bool(order.get("speaker_labels")),
        )


def decode(path: Path, scratch: BinaryIO) -> Samples:
    """Return a file's sound at 16 kHz, mapped from a scratch file: an hour takes 115 MB of disk and no memory."""
    for block in Decoder(path, rate_hz=SAMPLE_RATE_HZ):
        scratch.write((np.clip(block, -1, 1) * 32_767).astype("<i2").tobytes())
    scratch.flush()
    return np.memmap(cast(Any, scratch), "<i2", "r")


def label(voice: int) -> str:
    """Return how AssemblyAI calls the n-th voice: A to Z, then AA, AB…"""
    letters = ""
    number = voice + 1
    while number:
        number, rest = divmod(number - 1, len(ascii_uppercase))
        letters = ascii_uppercase[rest] + letters
    return letters


def _turns(samples: Samples, speech: Sequence[Stretch], order: Mapping[str, Any]) -> list[Turn]:
    limits = order.get("speaker_options") or {}
    turns = diarize(
        samples,
        speech,
        _encoder().embed,
        _encoder().likeness,
        num_speakers=order.get("speakers_expected"),
        min_speakers=limits.get("min_speakers_expected"),
        max_speakers=limits.get("max_speakers_expected"),
    )
    return [Turn(turn.start_seconds, turn.end_seconds, label(turn.voice)) for turn in turns]


@cache
def _encoder() -> OnnxEncoder:
    return ecapa_small()


def _cut(samples: Samples, start_ms: int | None, end_ms: int | None) -> Samples:
    first = (start_ms or 0) * SAMPLE_RATE_HZ // 1000
    last = len(samples) if end_ms is None else end_ms * SAMPLE_RATE_HZ // 1000
    return samples[first:last]


def _joined(speech: Sequence[Stretch]) -> list[Stretch]:
    joined: list[Stretch] = []
    for stretch in speech:
        if (
            joined
            and stretch.start_seconds - joined[-1].end_seconds <= JOIN_GAP_SECONDS
            and stretch.end_seconds - joined[-1].start_seconds <= JOINED_SECONDS
        ):
            joined[-1] = Stretch(joined[-1].start_seconds, stretch.end_seconds)
        else:
            joined.append(stretch)
    return joined


def _moved(word: Word, seconds: float) -> Word:
    if not seconds:
        return word
    return Word(word.text, word.start_seconds + seconds, word.end_seconds + seconds, word.confidence, word.speaker)
