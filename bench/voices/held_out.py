"""Dialogues of the readers held out of the training of ecapa-small: what choices about diarization are made on.

python -m bench.voices.held_out [--manifest …]      (needs ../shared/bench/voices, soundfile and pyannote.metrics)

Prints, for each threshold of likeness, the error rate without a collar, how often the voices were counted right, and
how many of the readers are one voice when they speak alone. A reader has 12.5 s, so the same words come at three
speeds.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from bench.voices.compare import SHARED
from sonicgen.embedder.activity import find_speech
from sonicgen.embedder.encoders.choose import load_encoder
from sonicgen.settings import read_settings
from sonicgen.voices.clusters import Likeness
from sonicgen.voices.diarize import diarize
from sonicgen.voices.encoder import Encoder
from sonicgen.voices.turn import Turn
from tools.encoder_training.voices import readers

Wave = NDArray[np.float32]

COUNTS = [1, 2, 2, 3, 4, 5, 6] * 6
SPEEDS = (100, 97, 103)  # in hundredths
THRESHOLDS = (0.49, 0.52, 0.55, 0.58, 0.61, 0.64)


Dialogue = tuple[int, Wave, list[tuple[float, float, str]]]


def dialogues(manifest: Path) -> Iterator[Dialogue]:
    """Yield how many speak, the sound and the truth, always the same."""
    said = _said(manifest)
    for number, count in enumerate(COUNTS):
        random = np.random.default_rng(3000 + number)
        yield count, *_harness().dialogue(said, count, 90 + 15 * (number % 7), random)


def monologues(manifest: Path) -> Iterator[Dialogue]:
    """Yield each reader alone, with the same rooms and noise."""
    for number, (name, waves) in enumerate(_said(manifest).items()):
        yield 1, *_harness().dialogue({name: waves}, 1, 120, np.random.default_rng(7000 + number))


def _harness() -> Any:
    sys.path.insert(0, str(SHARED / "bench" / "voices"))
    return importlib.import_module("voices")


def _said(manifest: Path) -> dict[str, list[Wave]]:
    _, held = readers(manifest)
    return {
        str(number): [scipy.signal.resample_poly(sound, 100, speed).astype(np.float32) for speed in SPEEDS]
        for number, sound in enumerate(held.values())
    }


class _Once:
    """Speech and vectors of one sound, found once for all thresholds."""

    def __init__(self, encoder: Encoder, sound: Wave) -> None:
        self._encoder, self._sound = encoder, sound
        self._speech = find_speech(sound)
        self._rows: NDArray[np.float32] | None = None

    def turns(self, likeness: Likeness) -> list[Turn]:
        """Return who speaks when."""
        return diarize(self._sound, self._speech, self._embed, likeness)

    def _embed(self, windows: Iterable[Wave]) -> NDArray[np.float32]:
        if self._rows is None:
            self._rows = self._encoder.embed(windows)
        return self._rows


def main() -> None:
    """Print a line for each threshold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--manifest", type=Path, default=SHARED / "data" / "voices" / "manifest.csv")
    manifest = parser.parse_args().manifest
    encoder = load_encoder(read_settings(encoder="ecapa-small"))  # the readers are held out of its training alone
    made = [(count, _Once(encoder, sound), truth) for count, sound, truth in dialogues(manifest)]
    alone = [_Once(encoder, sound) for _, sound, _ in monologues(manifest)]
    for threshold in THRESHOLDS:
        likeness = replace(encoder.likeness, merge_above=threshold)
        errors, right = _metric(), []
        for count, once, truth in made:
            turns = once.turns(likeness)
            errors(_annotation(truth), _annotation(_spans(turns)))
            right.append(len({turn.voice for turn in turns}) == count)
        ones = [len({turn.voice for turn in once.turns(likeness)}) == 1 for once in alone]
        print(
            f"{threshold}: DER {100 * abs(errors):.1f} %, counted right {100 * np.mean(right):.0f} %, "
            f"alone {sum(ones)} of {len(ones)}",
            flush=True,
        )


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
