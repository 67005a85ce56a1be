"""The embedder in the embedded cloud: it is there by itself, and its failure is nobody else's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonicgen.cloud.objects import upload_file
from sonicgen.domain.embedding import Sound
from sonicgen.embedder.encoders.choose import load_encoder
from sonicgen.errors import UnavailableError
from sonicgen.settings import read_settings
from tests.acceptance.conftest import Cloud, cloud
from tests.unit.embedder.sounds import spoken, wav

LONGEST_START_SECONDS = 60  # it loads its models beside everything else, and nobody waits for it


def part(system: Cloud, name: str) -> Any:
    return next(each for each in system.json("doctor") if each["name"] == name)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An embedded cloud with its embedder."""
    with cloud(tmp_path_factory.mktemp("data"), SONICGEN_EMBEDDER="on") as running:
        yield running


def test_it_runs_by_itself_and_doctor_says_what(system: Cloud, tmp_path: Path) -> None:
    until = time.monotonic() + LONGEST_START_SECONDS
    while not (voices := part(system, "voices"))["works"] and time.monotonic() < until:
        time.sleep(0.5)
    assert voices["works"] is True, voices
    name = load_encoder(read_settings()).model.name
    assert voices["provider"].startswith(f"{name} ")
    assert f"own-{name}" in voices["detail"]
    path = tmp_path / "clip.wav"
    path.write_bytes(wav(spoken()))
    bucket = system.services.settings.media_bucket
    upload_file(bucket, "clips/clip.wav", path)
    (found,) = system.services.embedder.embed([Sound(bucket, "clips/clip.wav")]).sounds
    assert np.linalg.norm(found.vectors[0].vector or ()) == pytest.approx(1, abs=1e-4)


def test_without_its_model_everything_else_works(tmp_path: Path) -> None:
    broken = {"SONICGEN_EMBEDDER": "on", "SONICGEN_ENCODER": "ecapa", "SONICGEN_ECAPA_WEIGHTS": str(tmp_path)}
    with cloud(tmp_path / "data", **broken) as running:
        voices, database = part(running, "voices"), part(running, "database")
        assert (voices["works"], database["works"]) == (False, True)
        assert "embedding_model.ckpt" in voices["detail"]
        with pytest.raises(UnavailableError, match="not ready"):
            running.services.embedder.embed([Sound("bucket", "name")])
