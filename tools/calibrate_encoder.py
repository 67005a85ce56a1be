"""Says what an encoder's cosines mean, for one whose weights are others': the line for its card beside the weights.

    python -m tools.calibrate_encoder campplus [--manifest …]

Pieces of 3 s of the readers of LibriSpeech train-clean-100 in ../shared/data/voices (not those of the benchmark), half
of the pairs of two recordings as different as noise, rooms, other voices and telephone bands make them. Every reader
has one recording, so nothing is learnt of how a voice changes from day to day.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from sonicgen.embedder.encoders.choose import load_encoder
from sonicgen.settings import read_settings
from sonicgen.voices.calibration import equal_error, fit
from sonicgen.voices.encoder import Calibration
from sonicgen.voices.samples import SAMPLE_RATE_HZ
from tools.encoder_training.rooms import Disturber
from tools.encoder_training.voices import readers

PIECE_SAMPLES = 3 * SAMPLE_RATE_HZ
START = Calibration(15.0, -5.0)


def main() -> None:
    """Print slope and offset, and the error they are drawn from."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("encoder")
    parser.add_argument("--manifest", type=Path, default=Path("../shared/data/voices/manifest.csv"))
    options = parser.parse_args()
    encoder = load_encoder(read_settings(encoder=options.encoder))
    sounds = list({**readers(options.manifest)[0], **readers(options.manifest)[1]}.values())
    disturber, random = Disturber(sounds), np.random.default_rng(10)
    cut = [
        (reader, sound[start : start + PIECE_SAMPLES])
        for reader, sound in enumerate(sounds)
        for start in range(0, len(sound) - PIECE_SAMPLES + 1, PIECE_SAMPLES)
    ]
    clean = encoder.embed(piece for _, piece in cut)
    other = encoder.embed(disturber.disturb(piece, random) for _, piece in cut)
    reader = np.array([number for number, _ in cut])
    same, apart = reader[:, None] == reader[None], ~np.eye(len(reader), dtype=bool)
    scores = np.array([clean @ clean.T, clean @ other.T], np.float64)
    targets, impostors = scores[:, same & apart].ravel(), scores[:, ~same].ravel()
    line = fit(targets, impostors, START)
    rate, threshold = equal_error(targets, impostors)
    print(f"{len(sounds)} readers, {len(cut)} pieces: EER {100 * rate:.2f} % at {threshold:.3f}")
    print(f'"slope": {line.slope:.2f}, "offset": {line.offset:.2f}')


if __name__ == "__main__":
    main()
