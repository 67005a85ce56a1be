"""The encoder in the package: vectors depend on their window alone."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sonicgen.embedder.encoders import onnx
from sonicgen.embedder.encoders.card import read_card
from sonicgen.embedder.encoders.ecapa import probe
from sonicgen.errors import SettingsError
from sonicgen.voices.pieces import embed_whole, pieces
from tests.unit.embedder.encoders.sounds import hiss

SAME = 0.9999
FOLDER = Path(onnx.__file__).parent / "weights"


@pytest.fixture(scope="module")
def encoder() -> onnx.OnnxEncoder:
    return onnx.ecapa_small()


@pytest.fixture(scope="module")
def talk() -> NDArray[np.float32]:
    """Return 16 pieces of 3 s of a real conversation."""
    return probe()


def cosines(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray((first * second).sum(axis=1))


def test_it_is_small_and_says_what_it_is(encoder: onnx.OnnxEncoder) -> None:
    assert (FOLDER / "ecapa-small.onnx").stat().st_size < 10e6
    assert encoder.model.name == "ecapa-small"
    assert encoder.model.dimension == 192
    assert len(encoder.model.version) == 12
    assert encoder.backend == "onnxruntime-float32-cpu"


def test_rows_are_of_length_one(encoder: onnx.OnnxEncoder, talk: NDArray[np.float32]) -> None:
    rows = encoder.embed(iter(talk[:3]))
    assert rows.shape == (3, 192)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)
    assert encoder.embed([]).shape == (0, 192)


def test_the_company_does_not_matter(encoder: onnx.OnnxEncoder, talk: NDArray[np.float32]) -> None:
    """Windows of many lengths in one call, in any order, have the vectors that each has alone."""
    lengths = (48_000, 24_000, 31_234, 9_000, 24_000, 3_000, 48_000, 16_001)
    windows = [wave[:length] for wave, length in zip(talk, lengths, strict=False)]
    alone = np.concatenate([encoder.embed([window]) for window in windows])
    assert cosines(encoder.embed(windows), alone).min() > SAME
    assert cosines(encoder.embed(windows[::-1])[::-1], alone).min() > SAME
    many = encoder.embed(window for _ in range(40) for window in windows)
    assert cosines(many[-len(windows) :], alone).min() > SAME


def test_the_order_of_pieces_does_not_matter(encoder: onnx.OnnxEncoder, talk: NDArray[np.float32]) -> None:
    first, second = embed_whole(encoder, [talk[:4].ravel(), talk[3::-1].ravel()])
    assert float(first @ second) > SAME


def test_the_level_does_not_matter(encoder: onnx.OnnxEncoder, talk: NDArray[np.float32]) -> None:
    assert cosines(encoder.embed(talk), encoder.embed(0.05 * talk)).min() > 0.999


def test_silence_around_speech_hardly_matters_when_it_is_cut(encoder: onnx.OnnxEncoder) -> None:
    """Callers embed what voice activity found; a piece with silence on both sides must find the same speech."""
    from sonicgen.voices.activity import find_speech

    wave = probe(4.0, 1)[0]
    padded = np.concatenate([np.zeros(32_000, np.float32), wave, np.zeros(32_000, np.float32)])

    def speech(sound: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate(
            [sound[int(s.start_seconds * 16_000) : int(s.end_seconds * 16_000)] for s in find_speech(sound)]
        )

    first, second = embed_whole(encoder, [speech(wave), speech(padded)])
    assert float(first @ second) > 0.95


def test_windows_are_taken_as_they_come(encoder: onnx.OnnxEncoder) -> None:
    """An hour's windows are never in memory together."""
    made: list[weakref.ref[NDArray[np.float32]]] = []
    most = 0

    def windows() -> Iterator[NDArray[np.float32]]:
        nonlocal most
        for seed in range(700):
            window = hiss(0.5, seed % 7)
            made.append(weakref.ref(window))
            most = max(most, sum(reference() is not None for reference in made))
            yield window

    assert len(encoder.embed(windows())) == 700
    assert most < 600


def test_calibration_knows_one_voice_from_two(encoder: onnx.OnnxEncoder) -> None:
    calibration = encoder.calibration
    assert calibration.probability(0.95) > 0.95
    assert calibration.probability(0.0) < 0.05


def test_pieces_leave_nothing_out() -> None:
    wave = np.arange(16_000 * 10, dtype=np.float32)
    parts = list(pieces(wave))
    assert [len(part) for part in parts] == [48_000] * 4
    assert parts[0][0] == 0
    assert parts[-1][-1] == wave[-1]
    assert set(np.concatenate(parts)) == set(wave)
    assert [len(part) for part in pieces(wave[:72_000])] == [72_000]


def test_version_is_of_the_weights(tmp_path: Path) -> None:
    weights = tmp_path / "model.onnx"
    description = FOLDER / "ecapa-small.json"
    weights.write_bytes(b"one")
    first = read_card(weights, description).model
    weights.write_bytes(b"two")
    assert read_card(weights, description).model.key != first.key


def test_broken_weights_and_descriptions_are_told(tmp_path: Path) -> None:
    weights = tmp_path / "model.onnx"
    weights.write_bytes(b"no network")
    encoder = onnx.OnnxEncoder(weights, read_card(weights, FOLDER / "ecapa-small.json"))
    with pytest.raises(SettingsError, match="cannot open the weights"):
        encoder.embed([hiss(1.0)])
    (tmp_path / "bad.json").write_text(json.dumps({"name": "x"}))
    with pytest.raises(SettingsError, match="does not describe a speaker encoder"):
        read_card(weights, tmp_path / "bad.json")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_card(tmp_path / "absent", FOLDER / "ecapa-small.json")
