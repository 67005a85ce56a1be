"""Who tells voices apart, and what is said when it cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from sonicgen.embedder.diarizers import OwnDiarizer, load_diarizer
from sonicgen.embedder.encoders.onnx import ecapa_small
from sonicgen.embedder.pyannote import PyannoteDiarizer
from sonicgen.errors import SettingsError
from sonicgen.settings import read_settings

ENCODER = ecapa_small()


def test_our_own_without_other_weights() -> None:
    for choice in ("auto", "own"):
        diarizer = load_diarizer(read_settings(diarization=choice, pyannote_weights=None), ENCODER)
        assert isinstance(diarizer, OwnDiarizer)
        assert diarizer.name == "own-ecapa-small"


def test_pyannote_without_weights_is_an_error() -> None:
    with pytest.raises(SettingsError, match="SONICGEN_PYANNOTE_WEIGHTS must name"):
        load_diarizer(read_settings(diarization="pyannote", pyannote_weights=None), ENCODER)


@pytest.mark.filterwarnings("ignore")
def test_weights_that_nothing_can_load_are_an_error(tmp_path: Path) -> None:
    """Whether pyannote is missing or the pipeline is broken, one sentence says so."""
    (tmp_path / "config.yaml").write_text("pipeline: {name: nonsense}\n")
    with pytest.raises(SettingsError, match=r"pyannote (is not installed|cannot load)"):
        load_diarizer(read_settings(pyannote_weights=str(tmp_path)), ENCODER)


def test_a_folder_without_a_pipeline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"there is no config\.yaml"):
        PyannoteDiarizer(tmp_path)
