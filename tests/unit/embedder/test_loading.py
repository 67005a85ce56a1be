"""Which ways to run which model are tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from sonicgen.embedder import loading
from sonicgen.embedder.loading import make_loader
from sonicgen.settings import read_settings


def names(**settings: object) -> list[str]:
    return [path.name for path in make_loader(read_settings(**settings)).paths]


def test_the_small_encoder_runs_on_some_or_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert names(encoder="ecapa-small") == ["cpu, float32, 4 threads", "cpu, float32, 1 thread"]
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert names(encoder="ecapa-small") == ["cpu, float32, 1 thread"]


def test_the_large_one_in_int8_and_float32_and_first_on_a_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    on_a_cpu = ["cpu, int8, 1 thread", "cpu, float32, 1 thread"]
    assert names(encoder="ecapa") == on_a_cpu
    assert names(encoder="auto", ecapa_weights=str(tmp_path)) == on_a_cpu
    monkeypatch.setattr(loading, "has_gpu", lambda: True)
    assert names(encoder="ecapa") == ["gpu, bfloat16", *on_a_cpu]
    assert "gpu, bfloat16" not in names(encoder="ecapa-small")


def test_what_is_missing_for_better_models_is_named() -> None:
    notes = " ".join(make_loader(read_settings(encoder="auto", ecapa_weights=None, pyannote_weights=None)).notes)
    assert "SONICGEN_ECAPA_WEIGHTS" in notes
    assert "SONICGEN_PYANNOTE_WEIGHTS" in notes
    assert make_loader(read_settings(encoder="ecapa-small", diarization="own")).notes == ()


def test_the_package_alone_is_enough() -> None:
    loader = make_loader(read_settings(encoder="ecapa-small", diarization="own"))
    encoder = loader.paths[0].load()
    assert encoder.model.dimension == 192
    assert loader.diarizer(encoder).name == "own-ecapa-small"
