"""Dialogues of the readers held out of the training of ecapa-small: what choices about diarization are made on.

python -m bench.voices.held_out [--manifest …]      (needs ../shared/bench/voices, soundfile and pyannote.metrics)

Prints, for each threshold of likeness, the error rate without a collar and how often the voices were counted right. A
reader has 12.5 s, so the same words come at three speeds.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from bench.voices.compare import SHARED
from sonicgen.embedder.encoders.choose import load_encoder
from sonicgen.settings import read_settings
from sonicgen.voices.activity import find_speech
from sonicgen.voices.diarize import Turn, diarize
from tools.encoder_training.voices import readers

Wave = NDArray[np.float32]

COUNTS = [1, 2, 2, 3, 4, 5, 6] * 6
SPEEDS = (100, 97, 103)  # in hundredths
THRESHOLDS = (0.49, 0.52, 0.55, 0.58, 0.61, 0.64)


def dialogues(manifest: Path) -> Iterator[tuple[int, Wave, list[tuple[float, float, str]]]]:
    """Yield how many speak, the sound and the truth, always the same."""
    sys.path.insert(0, str(SHARED / "bench" / "voices"))
    harness = importlib.import_module("voices")

    _, held = readers(manifest)
    said = {
        str(number): [scipy.signal.resample_poly(sound, 100, speed).astype(np.float32) for speed in SPEEDS]
        for number, sound in enumerate(held.values())
    }
    for number, count in enumerate(COUNTS):
        random = np.random.default_rng(3000 + number)
        yield count, *harness.dialogue(said, count, 90 + 15 * (number % 7), random)


def main() -> None:
    """Print a line for each threshold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--manifest", type=Path, default=SHARED / "data" / "voices" / "manifest.csv")
    made = list(dialogues(parser.parse_args().manifest))
    encoder = load_encoder(read_settings(encoder="ecapa-small"))  # the readers are held out of its training alone
    for threshold in THRESHOLDS:
        likeness = replace(encoder.likeness, merge_above=threshold)
        errors, right = _metric(), []
        for count, sound, truth in made:
            turns = diarize(sound, find_speech(sound), encoder.embed, likeness)
            errors(_annotation(truth), _annotation(_spans(turns)))
            right.append(len({turn.voice for turn in turns}) == count)
        print(f"{threshold}: DER {100 * abs(errors):.1f} %, counted right {100 * np.mean(right):.0f} %", flush=True)


def _spans(turns: list[Turn]) -> list[tuple[float, float, str]]:
    return [(turn.start_seconds, turn.end_seconds, str(turn.voice)) for turn in turns]


def _metric() -> Any:
    from pyannote.metrics.diarization import DiarizationErrorRate

    return DiarizationErrorRate()


def _annotation(spans: list[tuple[float, float, str]]) -> Any:
    from pyannote.core import Annotation, Segment

    found = Annotation()
    for number, (start, end, who) in enumerate(spans):
        found[Segment(start, end), number] = who
    return found


if __name__ == "__main__":
    main()
