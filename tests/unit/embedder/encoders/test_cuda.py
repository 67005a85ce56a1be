"""The GPU's arithmetic, as far as a CPU can show it: features, bfloat16, filled batches, the check before use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sonicgen.errors import SettingsError

torch = pytest.importorskip("torch")

from sonicgen.embedder.encoders import ecapa  # noqa: E402
from sonicgen.embedder.encoders.cuda import CudaEncoder, check, open_cuda  # noqa: E402
from sonicgen.embedder.encoders.ecapa_network import Ecapa, Shape  # noqa: E402
from sonicgen.embedder.encoders.fbank import fbank  # noqa: E402


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a small network with random weights."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / ecapa.CHECKPOINT
    network = Ecapa(Shape(channels=64, pooled=192)).eval()
    for module in network.modules():  # as training leaves them: not all zeros and ones
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def encoder(weights: Path) -> CudaEncoder:
    from sonicgen.embedder.encoders.conversion import network_of

    network = network_of(torch.load(weights, weights_only=True))
    return CudaEncoder(network, ecapa.card_of(weights), device="cpu", has_graphs=False)


def test_features_are_those_of_the_cpus_path(encoder: CudaEncoder) -> None:
    pieces = ecapa.probe(pieces=4)
    found = encoder._features(torch.from_numpy(pieces)).numpy()
    assert np.abs(found - fbank(pieces)).max() < 1e-2  # dB
    assert np.abs(found - fbank(pieces)).mean() < 1e-4


def test_bfloat16_makes_the_vectors_of_float32(encoder: CudaEncoder, weights: Path) -> None:
    check(encoder, weights)


def test_other_weights_are_noticed_before_use(encoder: CudaEncoder, weights: Path, tmp_path: Path) -> None:
    torch.manual_seed(2)
    other = tmp_path / ecapa.CHECKPOINT
    torch.save(Ecapa(Shape(channels=64, pooled=192)).state_dict(), other)
    with pytest.raises(SettingsError, match="other vectors"):
        check(encoder, other)


def test_a_batch_that_is_filled_up_changes_nobodys_vector(encoder: CudaEncoder) -> None:
    pieces = list(ecapa.probe(pieces=9)) + [piece[:24_000] for piece in ecapa.probe(pieces=3)]
    together = encoder.embed(pieces)
    for row, piece in zip(together, pieces, strict=True):
        assert row @ encoder.embed([piece])[0] > 0.9999
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_there_is_no_such_path(weights: Path) -> None:
    with pytest.raises(SettingsError, match="no GPU"):
        open_cuda(weights)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_graphs_on_a_gpu_make_the_same_vectors(weights: Path) -> None:
    encoder = open_cuda(weights)
    pieces = list(ecapa.probe(pieces=9))
    assert encoder.backend == "torch-bfloat16-cuda-graphs"
    first = encoder.embed(pieces)
    assert (first * encoder.embed(pieces)).sum(axis=1).min() > 0.9999
