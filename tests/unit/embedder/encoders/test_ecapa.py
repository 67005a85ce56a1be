"""Every float path has SpeechBrain's vectors. Where torch or SpeechBrain is absent, as in CI, most is skipped."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sonicgen.embedder.encoders import ecapa
from sonicgen.errors import SettingsError
from sonicgen.settings import REPOSITORY

SMALL = REPOSITORY.parent / "shared" / "models" / "ecapa-small"
needs_speechbrain = pytest.mark.skipif(
    not ecapa.can_convert(), reason="torch, SpeechBrain or onnx is not installed (pip install 'sonicgen[voices]')"
)
needs_weights = pytest.mark.skipif(not SMALL.is_dir(), reason="../shared/models/ecapa-small is not here")
# Of torch's old exporter, SpeechBrain, and the libraries beneath them.
loud = pytest.mark.filterwarnings("ignore")


def cosines(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.asarray((first * second).sum(axis=1) / lengths)


def folder_with(state: Any, channels: int, folder: Path) -> Path:
    """Return a folder in SpeechBrain's layout that holds these weights."""
    import torch

    for name in ("label_encoder.txt", "mean_var_norm_emb.ckpt"):
        shutil.copyfile(SMALL / name, folder / name)
    sizes = ", ".join([str(channels)] * 4 + [str(3 * channels)])
    told = (SMALL / "hyperparams.yaml").read_text().replace("256, 256, 256, 256, 768", sizes)
    (folder / "hyperparams.yaml").write_text(told)
    torch.save(state, folder / ecapa.CHECKPOINT)
    return folder


@needs_speechbrain
@needs_weights
@loud
@pytest.mark.timeout(300)
@pytest.mark.parametrize("channels", [1024, 256], ids=["random full-size weights", "trained small ones"])
def test_vectors_are_speechbrains(channels: int, tmp_path: Path) -> None:
    import torch

    from sonicgen.embedder.encoders.conversion import network_of, run
    from sonicgen.embedder.encoders.ecapa_network import Ecapa, Shape

    torch.manual_seed(3)
    source = tmp_path / "weights"
    source.mkdir()
    state = Ecapa(Shape()).state_dict() if channels == 1024 else torch.load(SMALL / ecapa.CHECKPOINT)
    folder_with(state, channels, source)
    pieces, features = ecapa.probe()[:4], ecapa.probe_features()[:4]
    with torch.inference_mode():
        expected = ecapa.load_by_speechbrain(source).encode_batch(torch.from_numpy(pieces)).squeeze(1).numpy()
        own = network_of(state)(torch.from_numpy(features)).numpy()
    encoder = ecapa.open_ecapa(str(source), tmp_path / "cache", "float32")
    assert cosines(own, expected).min() > 0.9999
    assert cosines(encoder.embed(pieces), expected).min() > 0.9999
    assert cosines(encoder.embed(pieces[::-1])[::-1], expected).min() > 0.9999
    int8 = ecapa.open_ecapa(str(source), tmp_path / "cache", "int8")
    assert int8.model == encoder.model
    assert int8.backend != encoder.backend
    assert cosines(int8.embed(pieces), expected).min() > ecapa.LEAST_INT8_COSINE
    folder = next((tmp_path / "cache").iterdir())
    assert cosines(run(folder / "float32.onnx", features), expected).min() > 0.9999


@needs_speechbrain
@needs_weights
@loud
def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    import torch

    from sonicgen.embedder.encoders.conversion import network_of

    with pytest.raises(SettingsError, match="not those of SpeechBrain"):
        network_of({"lstm.weight": torch.zeros(3)})


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"holds no embedding_model\.ckpt"):
        ecapa.open_ecapa(str(tmp_path), tmp_path / "cache")
    with pytest.raises(SettingsError, match="which is no folder"):
        ecapa.open_ecapa(str(tmp_path / "absent"), tmp_path / "cache")


def test_nothing_needs_torch_to_be_imported() -> None:
    """A plain install has none: the modules that every process imports do not ask for it."""
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['speechbrain'] = None\n"
        "from sonicgen.embedder.encoders.choose import load_encoder\n"
        "from sonicgen.embedder.encoders import ge2e\n"
        "from sonicgen.embedder import diarizers\n"
        "from sonicgen.settings import read_settings\n"
        "import numpy\n"
        "encoder = load_encoder(read_settings(encoder='auto', ecapa_weights=None))\n"
        "assert encoder.embed([numpy.ones(16000, 'float32')]).shape == (1, 192)\n"
        "print(encoder.model.name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() in ("campplus", "ecapa-small"), done.stderr
