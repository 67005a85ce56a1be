"""What training draws from: all voices and where the teacher puts them, made once and kept in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.encoder_training.teacher import Teacher
from tools.encoder_training.voices import Sound, readers, vary

AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Pool:
    """Voices to train on, each a class, and the readers held out."""

    sounds: list[Sound]
    reader: NDArray[np.intp]  # which reader each voice is made of
    targets: NDArray[np.float32]  # the teacher's vectors, their mean taken off, unit length
    held_out: list[Sound]


def open_pool(folder: Path, manifest: Path, weights: Path) -> Pool:
    """Return the pool that lies in the folder, making it first where there is none (six minutes of one core)."""
    path = folder / "pool.npz"
    if not path.exists():
        _make(path, manifest, weights)
    with np.load(path) as stored:
        sounds = _split(stored["samples"], stored["lengths"])
        held_out = _split(stored["held_samples"], stored["held_lengths"])
        vectors = stored["vectors"] - stored["vectors"].mean(axis=0)
        targets = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return Pool(sounds, stored["reader"], targets.astype(np.float32), held_out)


def _make(path: Path, manifest: Path, weights: Path) -> None:
    train, held = readers(manifest)
    voices = vary(train)
    names = sorted(train)
    teacher = Teacher(weights)
    sounds = [voice.sound for voice in voices]
    vectors = [teacher.embed(sounds[start : start + AT_ONCE]) for start in range(0, len(sounds), AT_ONCE)]
    arrays = {
        **dict(zip(("samples", "lengths"), _join(sounds), strict=True)),
        **dict(zip(("held_samples", "held_lengths"), _join(list(held.values())), strict=True)),
        "reader": np.array([names.index(voice.reader) for voice in voices]),
        "vectors": np.concatenate(vectors),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _join(sounds: list[Sound]) -> tuple[NDArray[np.int16], NDArray[np.intp]]:
    """Return sounds end to end, each brought to a peak of one: levels say nothing of a voice."""
    whole = [np.round(sound / (np.abs(sound).max() + 1e-9) * 32_767).astype(np.int16) for sound in sounds]
    return np.concatenate(whole), np.array([len(sound) for sound in sounds])


def _split(samples: NDArray[np.int16], lengths: NDArray[np.intp]) -> list[Sound]:
    return [part.astype(np.float32) / 32_768 for part in np.split(samples, np.cumsum(lengths)[:-1])]
