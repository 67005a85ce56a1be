from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sonicgen.errors import InputError
from sonicgen.settings import read_settings
from sonicgen.steps.evaluate_voices import evaluate_voices, keep_calibration, read_manifest
from sonicgen.steps.identify_voices import calibration_of, explain_calibrations
from sonicgen.steps.services import Services
from sonicgen.voices.samples import SAMPLE_RATE_HZ
from tests.unit.embedder.cepstra_encoder import CepstraEncoder
from tests.unit.voices.signals import HIGH, LOW, MIDDLE, Sound, Voice, silence, speech


def save(path: Path, sound: Sound) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes((np.clip(sound, -1, 1) * 32_767).astype("<i2").tobytes())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four made voices with four recordings each, and some that are none."""
    root = tmp_path_factory.mktemp("voices")
    lines = ["speaker,path,more"]
    people = {"low": LOW, "high": HIGH, "middle": MIDDLE, "other": Voice(180.0, 1.05)}
    for name, voice in people.items():
        for number in range(4):
            save(root / f"{name}-{number}.wav", speech(voice, 6.0, seed=number + 10))
            lines.append(f"{name},{name}-{number}.wav,x")
    (root / "text.wav").write_text("no sound")
    save(root / "quiet.wav", silence(5.0))
    lines += ["low,text.wav,x", "low,quiet.wav,x", "low,gone.wav,x"]
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def services(database_url: str) -> Iterator[Services]:
    made = Services(read_settings(database_url=database_url))
    yield made
    made.database.close()


def test_evaluates_files_and_keeps_the_calibration(folder: Path, services: Services) -> None:
    heard: list[tuple[int, int]] = []
    found = evaluate_voices(CepstraEncoder(), folder / "manifest.csv", lambda done, of: heard.append((done, of)))
    assert heard[-1] == (19, 19)
    assert (found.evaluation.people, found.evaluation.files) == (4, 16)
    assert [Path(each.path).name for each in found.skipped] == ["text.wav", "quiet.wav", "gone.wav"]
    assert "0.0 s of speech" in found.skipped[1].reason
    told = found.to_json()
    assert told["target_pairs"] == 4 * 6
    assert 0 <= float(str(told["eer"])) < 0.4
    assert calibration_of(services, found.model, CepstraEncoder().calibration) == CepstraEncoder().calibration
    keep_calibration(services, found)
    assert calibration_of(services, found.model, CepstraEncoder().calibration) == found.evaluation.fitted
    [line] = explain_calibrations(services)
    assert line.startswith("cepstra-1 decides by a calibration fitted 20")
    assert "on 4 people" in line


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"name,path\na,b\n", "no column speaker"),
        (b"speaker,path\n", "names no recording"),
        (b"\xff\xfe\x00", "not a CSV file"),
        (b"speaker,path\na,gone.wav\n", "Nothing of"),
    ],
)
def test_refuses_manifests_that_are_none(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(InputError, match=reason):
        evaluate_voices(CepstraEncoder(), tmp_path / "list.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_manifest(tmp_path / "other.csv")


def test_reads_what_a_spreadsheet_writes(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes("\ufeffspeaker,path\r\nÅsa , a b.wav\r\n".encode())
    assert read_manifest(tmp_path / "list.csv") == [("Åsa", tmp_path / "a b.wav")]
