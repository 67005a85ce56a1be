"""Words from speech on this machine: one small interface, two recognisers behind it.

pocketsphinx comes with its English model and needs nothing else; its words are poor. faster-whisper is an extra for
whoever can fetch its weights.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sonicgen.domain.transcript import Word
from sonicgen.errors import LocalError, SettingsError
from sonicgen.voices.samples import SAMPLE_RATE_HZ, Samples, piece

LONGEST_SECONDS = 20.0  # longer turns are cut at a quiet moment: search time grows faster than length
_CUT_SECONDS = 8.0  # how far before that the cut is looked for
_FRAME = 160
# How many states pocketsphinx keeps a frame. Its default of 30,000 recognises 4.0 × real time on a core, 3,000 does
# 5.7 × and changes 3 % of the words (nine utterances of LibriSpeech test-other).
_STATES_A_FRAME = 3_000
_VARIANT = re.compile(r"\(\d+\)$")


class Recogniser(Protocol):
    """Turns a stretch of sound into words."""

    name: str
    language: str | None

    def transcribe(self, samples: Samples, start_seconds: float, end_seconds: float) -> list[Word]:
        """Return the words between two moments of mono sound at 16 kHz, in order; times are of the whole sound."""


def make_recogniser(kind: str, whisper_model: str | None = None, language: str | None = None) -> Recogniser:
    """Return a recogniser, loaded; raise SettingsError when what it needs is not there.

    `kind` is "pocketsphinx" or "faster-whisper", which also needs the name or folder of its weights. `language` is an
    ISO 639-1 code, None for the recogniser's own finding.
    """
    if kind == "pocketsphinx":
        return PocketsphinxRecogniser()
    if kind == "faster-whisper":
        return WhisperRecogniser(whisper_model, language)
    raise SettingsError(f"SONICGEN_RECOGNISER is {kind}; it can be pocketsphinx or faster-whisper.")


class PocketsphinxRecogniser:
    """CMU pocketsphinx with the US English model that its package carries; it knows no other language."""

    name = "pocketsphinx"
    language: str | None = "en_us"

    def __init__(self) -> None:
        if find_spec("pocketsphinx") is None:
            raise SettingsError("pocketsphinx is not installed; install sonicgen[local].")
        import pocketsphinx

        self._decoder: Any = pocketsphinx.Decoder(samprate=SAMPLE_RATE_HZ, maxhmmpf=_STATES_A_FRAME, loglevel="FATAL")

    def transcribe(self, samples: Samples, start_seconds: float, end_seconds: float) -> list[Word]:
        """Return the words between two moments, in lower case and without marks."""
        words: list[Word] = []
        for first, sound in _pieces(samples, start_seconds, end_seconds):
            words += self._words(first, sound)
        return words

    def _words(self, first: float, sound: NDArray[np.float32]) -> Iterator[Word]:
        loudest = float(np.abs(sound).max(initial=0.0))
        if loudest < 1e-4:
            return
        self._decoder.start_utt()
        self._decoder.process_raw((sound * (16_000 / loudest)).astype(np.int16).tobytes(), full_utt=True)
        self._decoder.end_utt()
        weight = self._decoder.get_logmath().exp
        for segment in self._decoder.seg() or ():
            if segment.word.startswith(("<", "[", "++")):
                continue
            yield Word(
                text=_VARIANT.sub("", segment.word),
                start_seconds=round(first + segment.start_frame / 100, 3),
                end_seconds=round(first + (segment.end_frame + 1) / 100, 3),
                confidence=round(min(1.0, max(0.0, weight(segment.prob))), 4),
            )


class WhisperRecogniser:
    """faster-whisper on the processor, with weights by name or folder."""

    def __init__(self, model: str | None, language: str | None = None) -> None:
        if find_spec("faster_whisper") is None:
            raise SettingsError(
                "SONICGEN_RECOGNISER is faster-whisper, which is not installed; install sonicgen[local-whisper]."
            )
        if not model:
            raise SettingsError(
                "SONICGEN_WHISPER_MODEL is not set; name a model (small, large-v3…) or the folder of its weights."
            )
        # Its voice activity is run by ONNX Runtime, which would tell Microsoft of it.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import faster_whisper

        try:
            self._model: Any = faster_whisper.WhisperModel(model, device="cpu", compute_type="int8")
        except Exception as error:  # whatever the hub, the disk or the format has to say
            raise LocalError(f"The weights {model} of faster-whisper cannot be loaded: {error}") from error
        self.name = f"faster-whisper-{Path(model).name}"
        self.language = language

    def transcribe(self, samples: Samples, start_seconds: float, end_seconds: float) -> list[Word]:
        """Return the words between two moments, with capitals and marks as the model writes them."""
        words: list[Word] = []
        for first, sound in _pieces(samples, start_seconds, end_seconds):
            segments, info = self._model.transcribe(
                sound, language=self.language, word_timestamps=True, condition_on_previous_text=False
            )
            for segment in segments:
                for word in segment.words or ():
                    start = first + float(word.start)
                    end = max(start, first + float(word.end))
                    words.append(Word(word.word.strip(), round(start, 3), round(end, 3), float(word.probability)))
            if self.language is None:  # the first stretch decides for the recording
                self.language = info.language
        return [word for word in words if word.text and math.isfinite(word.start_seconds)]


def _pieces(samples: Samples, start_seconds: float, end_seconds: float) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Yield the sound between two moments in pieces of at most LONGEST_SECONDS, each with its first second."""
    first, end = round(start_seconds * SAMPLE_RATE_HZ), min(round(end_seconds * SAMPLE_RATE_HZ), len(samples))
    longest = int(LONGEST_SECONDS * SAMPLE_RATE_HZ)
    while first < end:
        last = end if end - first <= longest else _quiet_moment(samples, first + longest)
        yield first / SAMPLE_RATE_HZ, piece(samples, first, last)
        first = last


def _quiet_moment(samples: Samples, latest: int) -> int:
    """Return the quietest sample index of the stretch before `latest`: between words, if there is a pause."""
    earliest = latest - int(_CUT_SECONDS * SAMPLE_RATE_HZ)
    sound = piece(samples, earliest, latest)
    frames = (sound[: len(sound) // _FRAME * _FRAME].reshape(-1, _FRAME) ** 2).sum(axis=1)
    smooth = np.convolve(frames, np.ones(20), "valid")  # 0.2 s
    return earliest + (int(smooth.argmin()) + 10) * _FRAME
