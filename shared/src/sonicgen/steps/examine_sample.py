"""Look whether a file is good enough to enrol somebody with: one voice, enough speech, no music, not cut off."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonicgen.domain.speaker import EnrolmentReason
from sonicgen.errors import InputError, MediaError
from sonicgen.sound.cut import SILENT_PEAK, SPEECH_RATE_HZ
from sonicgen.sound.decode import Decoder
from sonicgen.speech.clips import Range, choose
from sonicgen.store.enrolments import Sample
from sonicgen.voices.activity import find_speech

# Nobody's voice needs more; of a longer file the rest is not looked at.
LONGEST_SECONDS = 600.0
# As much speech of one file is kept: beyond half a minute a profile hardly becomes better (WEIGHTED_SECONDS).
KEPT_SECONDS = 60.0
# Of so much it is asked whether several people speak in it.
HEARD_SECONDS = 120.0
# Overdriven sound has runs at full scale; this share of all samples is far beyond a loud syllable.
FULL_SCALE, CLIPPED_SHARE = 0.999, 0.005
# Less speech than this share of what can be heard is music or noise with something speech-like in it.
SPEECH_SHARE = 0.25
_AUDIBLE = 10 ** (-50 / 20)


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found of a file: its record, its sound, and the stretches to keep; none of these when it is no good."""

    sample: Sample
    pieces: tuple[tuple[Range, NDArray[np.float32]], ...] = ()
    sound: NDArray[np.float32] | None = None


def examine_sample(path: Path, file_name: str, least_seconds: float) -> Examined:
    """Return what a file is good for. Whether it holds one voice only is for the embedder to say."""
    try:
        digest = _sha256(path)
        samples = _decode(path)
    except MediaError as error:
        return Examined(Sample(file_name, reason=EnrolmentReason.NOT_AUDIO, reason_detail=str(error)))
    seconds = len(samples) / SPEECH_RATE_HZ
    if float(np.abs(samples).max(initial=0.0)) < SILENT_PEAK:
        return Examined(Sample(file_name, digest, seconds, 0.0, EnrolmentReason.SILENCE))
    speech = [(each.start_seconds, each.end_seconds) for each in find_speech(samples)]
    spoken = sum(end - start for start, end in speech)
    reason = _judge(samples, seconds, spoken, least_seconds)
    detail = None
    if reason is EnrolmentReason.TOO_SHORT:
        detail = f"It holds {spoken:.1f} s, {least_seconds:.0f} s are needed."
    sample = Sample(file_name, digest, round(seconds, 3), round(spoken, 3), reason, detail)
    if reason is not None:
        return Examined(sample)
    chosen = choose(speech, KEPT_SECONDS)
    bounds = [(round(start * SPEECH_RATE_HZ), round(end * SPEECH_RATE_HZ)) for start, end in chosen]
    pieces = tuple((span, samples[a:b]) for span, (a, b) in zip(chosen, bounds, strict=True))
    return Examined(sample, pieces, samples[: round(HEARD_SECONDS * SPEECH_RATE_HZ)])


def _judge(samples: NDArray[np.float32], seconds: float, spoken: float, least_seconds: float) -> EnrolmentReason | None:
    if float((np.abs(samples) >= FULL_SCALE).mean()) > CLIPPED_SHARE:
        return EnrolmentReason.CLIPPED
    if seconds >= least_seconds and spoken < SPEECH_SHARE * _audible_seconds(samples):
        return EnrolmentReason.NO_SPEECH
    return EnrolmentReason.TOO_SHORT if spoken < least_seconds else None


def _audible_seconds(samples: NDArray[np.float32]) -> float:
    step = SPEECH_RATE_HZ // 10
    frames = samples[: len(samples) // step * step].reshape(-1, step)
    return float((np.sqrt(np.mean(np.square(frames), axis=1)) > _AUDIBLE).sum()) / 10 if len(frames) else 0.0


def _decode(path: Path) -> NDArray[np.float32]:
    blocks, count = [np.zeros(0, np.float32)], 0
    for block in Decoder(path, SPEECH_RATE_HZ):
        blocks.append(block)
        count += len(block)
        if count >= LONGEST_SECONDS * SPEECH_RATE_HZ:
            break
    return np.concatenate(blocks)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"The file {path} cannot be read: {error.strerror or error}.") from error
