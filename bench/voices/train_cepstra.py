"""Makes shared/src/sonicgen/voices/cepstra.npz: a linear discriminant analysis of LibriSpeech readers.

python bench/voices/train_cepstra.py MANIFEST.csv

The manifest has a line a recording (set, speaker, path…), as ../shared/data/voices/manifest.csv has. Every reader of
the set `libri_tc100` is taken twice, as recorded and with noise or echo, in windows of 1.5 s.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from sonicgen.sound.decode import Decoder
from sonicgen.voices import cepstra
from sonicgen.voices.samples import SAMPLE_RATE_HZ

DIMENSIONS = 24
SHRINKAGE = 0.02
WINDOW, STEP = int(1.5 * SAMPLE_RATE_HZ), int(0.75 * SAMPLE_RATE_HZ)
TARGET = Path(cepstra.__file__).with_suffix(".npz")


def disturbed(sound: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Return the sound with white or dull noise 8 to 30 dB below it, half of the time with an echo too."""
    out = sound.astype(np.float64)
    if random.random() < 0.5:
        room = random.standard_normal(4_000) * np.exp(-np.arange(4_000) / SAMPLE_RATE_HZ / random.uniform(0.03, 0.08))
        room *= random.uniform(0.15, 0.4) / np.sqrt((room**2).sum())
        room[0] = 1
        out = np.convolve(out, room)[: len(out)]
    noise = random.standard_normal(len(out))
    if random.random() < 0.5:
        noise = 0.3 * noise + 0.02 * np.cumsum(noise)
        noise -= noise.mean()
    noise *= np.sqrt((out**2).mean() / (noise**2).mean()) * 10 ** (-random.uniform(8, 30) / 20)
    return (out + noise).astype(np.float32)


def windows(sound: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield overlapping windows."""
    for start in range(0, len(sound) - WINDOW + 1, STEP):
        yield sound[start : start + WINDOW]


def analyse(rows: NDArray[np.float64], speakers: NDArray[np.intp]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean and the matrix after which voices differ most, each direction by how much it can be trusted."""
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    table = (rows - mean) / deviation
    within, between = np.zeros((2, table.shape[1], table.shape[1]))
    for speaker in np.unique(speakers):
        own = table[speakers == speaker]
        centre = own.mean(axis=0)
        within += (own - centre).T @ (own - centre) / len(table)
        between += len(own) * np.outer(centre, centre) / len(table)
    within = (1 - SHRINKAGE) * within + SHRINKAGE * np.trace(within) / len(within) * np.eye(len(within))
    values, basis = scipy.linalg.eigh(between, within)
    values, basis = values[::-1][:DIMENSIONS], basis[:, ::-1][:, :DIMENSIONS]
    turn = basis * np.sqrt(values / (1 + values)) / deviation[:, None]
    return mean.astype(np.float32), turn.astype(np.float32)


def main() -> None:
    """Read the manifest, measure, analyse, write."""
    manifest = Path(sys.argv[1])
    random = np.random.default_rng(0)
    rows, speakers = [], []
    with manifest.open() as file:
        readers = [row for row in csv.DictReader(file) if row["set"] == "libri_tc100"]
    names = sorted({row["speaker"] for row in readers})
    for row in readers:
        sound = np.concatenate(list(Decoder(manifest.parent / row["path"], SAMPLE_RATE_HZ)))
        for version in (sound, disturbed(sound, random)):
            for window in windows(version):
                rows.append(cepstra.measure(window))
                speakers.append(names.index(row["speaker"]))
    mean, turn = analyse(np.array(rows), np.array(speakers))
    np.savez_compressed(TARGET, mean=mean, turn=turn)
    print(f"{TARGET}: {len(rows)} windows of {len(names)} readers, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
