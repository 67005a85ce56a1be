"""Models are chosen by measurement, and another path takes over when one fails."""

from __future__ import annotations

import threading
import time

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from sonicgen.embedder.models import Models, State
from sonicgen.embedder.problems import RequestError
from tests.unit.embedder.cepstra_encoder import CepstraEncoder, loader
from tests.unit.embedder.conftest import Start
from tests.unit.embedder.sounds import spoken, wav

Windows = list[NDArray[np.float32]]


def started(*encoders: CepstraEncoder) -> Models:
    models = Models(loader(*encoders))
    ready = threading.Event()
    models.start(ready.set).join(30)
    assert ready.is_set() is (models.state is State.READY)
    return models


def slow(windows: Windows) -> None:
    if len(windows[0]) > 40_000:  # what is measured; warming up need not take long
        time.sleep(0.3)


def broken(_: Windows) -> None:
    raise RuntimeError("CUDA error: out of memory")


def test_the_fastest_path_runs() -> None:
    first, second = CepstraEncoder("slow"), CepstraEncoder("fast")
    first.before = slow
    models = started(first, second)
    assert models.runner().backend == "fast"
    assert [each.name for each in models.measured] == ["path 0", "path 1"]
    assert models.running.measured.batch_windows >= 1


def test_a_path_that_cannot_run_is_left_out() -> None:
    first, second = CepstraEncoder("gpu"), CepstraEncoder("cpu")
    first.before = broken
    models = started(first, second)
    assert (models.runner().backend, models.runner().device) == ("cpu", "cpu")
    assert models.fallback_reason is None


def test_paths_of_another_model_are_not_mixed_in() -> None:
    first, second = CepstraEncoder("one"), CepstraEncoder("two", version="2")
    first.before = slow
    assert started(first, second).runner().model.version == "1"


def test_no_path_is_a_failure_with_a_reason() -> None:
    encoder = CepstraEncoder()
    encoder.before = broken
    models = started(encoder)
    assert models.state is State.FAILED
    assert "out of memory" in models.reason
    with pytest.raises(RequestError, match="not ready"):
        models.runner()


def test_another_path_takes_over_and_health_says_so(start: Start) -> None:
    gpu, cpu = CepstraEncoder("gpu"), CepstraEncoder("cpu")
    cpu.before = slow
    service = start(given=loader(gpu, cpu))
    files = {"file": ("x.wav", wav(spoken()))}
    with httpx.Client(base_url=service.url, timeout=60, trust_env=False) as client:
        before = client.post("/embedding", files=files).json()
        cpu.before = lambda _: None
        gpu.before = broken
        after = client.post("/embedding", files=files)
        health = client.get("/health")
    assert service.house.batcher.batch_windows == service.house.models.running.measured.batch_windows
    assert service.house.models.running.encoder is cpu
    assert (before["backend"], before["model_device"]) == ("gpu", "cuda")
    assert after.status_code == 200
    assert (after.json()["backend"], after.json()["model_device"]) == ("cpu", "cpu")
    assert after.json()["embedding"] == pytest.approx(before["embedding"], abs=1e-6)
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert "out of memory" in health.json()["reason"]


def test_a_bad_sound_is_no_reason_to_fall_back() -> None:
    encoder, spare = CepstraEncoder("gpu"), CepstraEncoder("cpu")
    spare.before = slow
    models = started(encoder, spare)

    def touchy(windows: Windows) -> None:
        if any(window[0] == 9 for window in windows):
            raise ValueError("not this one")

    encoder.before = touchy
    with pytest.raises(ValueError, match="not this one"):
        models.embed([np.full(16_000, 9, np.float32)])
    assert models.runner().backend == "gpu"
    assert models.fallback_reason is None


def test_a_vector_that_is_none_never_leaves() -> None:
    class Broken(CepstraEncoder):
        is_ill = False

        def embed(self, windows: object) -> NDArray[np.float32]:
            rows = super().embed(windows)  # type: ignore[arg-type]
            return np.full_like(rows, np.nan) if self.is_ill else rows

    encoder = Broken()
    models = started(encoder)
    encoder.is_ill = True
    with pytest.raises(RequestError, match="no vector"):
        models.embed([np.ones(16_000, np.float32)])
