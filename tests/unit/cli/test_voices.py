"""The command itself, with the encoder of the package, on made voices."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

from sonicgen.cli.main import app
from sonicgen.cli.score_picture import save_picture
from sonicgen.domain.voice import VoiceModel
from sonicgen.embedder.encoders.choose import load_encoder
from sonicgen.errors import InputError, NotFoundError
from sonicgen.settings import read_settings
from sonicgen.steps.evaluate_voices import Evaluated
from sonicgen.store import calibrations
from sonicgen.store.database import Database
from sonicgen.voices.evaluation import evaluate
from tests.unit.steps.test_evaluate_voices import save
from tests.unit.voices.people import CALIBRATION
from tests.unit.voices.signals import HIGH, LOW, speech
from tests.unit.voices.test_evaluation import labelled

runner = CliRunner()


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("list")
    lines = ["speaker,path"]
    for name, voice in (("low", LOW), ("high", HIGH)):
        for number in range(3):
            save(root / f"{name}{number}.wav", speech(voice, 4.0, seed=number))
            lines.append(f"{name},{name}{number}.wav")
    path = root / "manifest.csv"
    path.write_text("\n".join(lines))
    return path


def test_evaluate_prints_and_draws(manifest: Path, tmp_path: Path) -> None:
    told = runner.invoke(app, ["voices", "evaluate", str(manifest), "--json", "--picture", str(tmp_path / "a.png")])
    assert told.exit_code == 0, told.output
    figures = json.loads(told.stdout)
    assert figures["model"]["name"] == load_encoder(read_settings()).model.name
    assert (figures["people"], figures["files"]) == (2, 6)
    assert figures["eer"] < 0.2  # two voices an octave apart
    assert imread(tmp_path / "a.png").shape[1] > 1_000


def test_evaluate_prints_tables_for_people(manifest: Path) -> None:
    told = runner.invoke(app, ["voices", "evaluate", str(manifest)])
    assert told.exit_code == 0, told.output
    assert "2 people in 6 recordings" in told.stdout
    assert "equal error rate" in told.stdout


@pytest.mark.parametrize("picture", ["a.jpg", "gone/a.png"])
def test_a_picture_that_cannot_be_is_refused_before_any_work(picture: str, tmp_path: Path) -> None:
    found = runner.invoke(app, ["voices", "evaluate", "gone.csv", "--picture", str(tmp_path / picture)])
    assert isinstance(found.exception, InputError)
    assert "png" in str(found.exception) or "no folder" in str(found.exception)


def test_pictures_of_many_people_and_of_too_few_for_a_fit(tmp_path: Path) -> None:
    model = VoiceModel("a $b$", "1", 192)
    for place, (people, each, scatter) in enumerate(((8, 5, 2.0), (2, 2, 0.5))):
        path = tmp_path / f"{place}.png"
        save_picture(path, Evaluated(model, evaluate(labelled(people, each, scatter), CALIBRATION), ()))
        ink = float((np.asarray(imread(path))[:, :, :3].min(axis=2) < 0.99).mean())
        assert 0.03 < ink < 0.6
    with pytest.raises(InputError, match="cannot be written"):
        save_picture(tmp_path / "gone" / "x.png", Evaluated(model, evaluate(labelled(2, 2), CALIBRATION), ()))


def test_the_calibration_that_was_kept_is_shown_and_taken_back(
    manifest: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    none = runner.invoke(app, ["voices", "calibration"])
    assert isinstance(none.exception, NotFoundError)
    with Database(database_url) as database:
        model = load_encoder(read_settings()).model
        calibrations.put(database, model, 20.0, -8.0, {"people": 7})
    shown = runner.invoke(app, ["voices", "calibration"])
    assert "20.00 × cosine -8.00" in shown.stdout
    assert "7 people" in shown.stdout
    told = json.loads(runner.invoke(app, ["voices", "calibration", "--json"]).stdout)
    assert (told["slope"], told["figures"], told["removed"]) == (20.0, {"people": 7}, False)
    assert "decides again" in " ".join(runner.invoke(app, ["voices", "calibration", "--reset"]).stdout.split())
    assert isinstance(runner.invoke(app, ["voices", "calibration"]).exception, NotFoundError)
    # Two people are too few to fit anything on: nothing is kept, and the command says so.
    refused = runner.invoke(app, ["voices", "evaluate", str(manifest), "--keep"])
    assert isinstance(refused.exception, InputError)
    assert "too few" in str(refused.exception)
    assert "0 profiles" in runner.invoke(app, ["voices", "rebuild"]).stdout
