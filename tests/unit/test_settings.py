"""Settings: read once, typed, every fault named."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from sonicgen.errors import SettingsError
from sonicgen.settings import REPOSITORY, Settings, read_settings


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment in which nothing is set, and no .env."""
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields.values():
        if field.alias:
            monkeypatch.delenv(field.alias, raising=False)


def test_everything_has_a_default_but_the_database() -> None:
    settings = read_settings()
    assert settings.port == 8080
    assert settings.false_positive_rate == 1e-3
    assert not settings.is_embedded
    with pytest.raises(SettingsError, match=r"DATABASE_URL is not set.*sonicgen up"):
        settings.require_database_url()


def test_arguments_win_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("SONICGEN_PORT=1111\nSONICGEN_LOG_LEVEL=DEBUG\nGOOGLE_CLOUD_PROJECT=\n")
    monkeypatch.setenv("SONICGEN_PORT", "2222")
    assert read_settings().port == 2222
    assert read_settings().log_level == "DEBUG"
    assert read_settings().project_id == "sonicgen-local", "an empty line sets nothing"
    assert read_settings(port=3333).port == 3333


def test_a_secret_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("postgresql://somewhere\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(secret))
    assert read_settings().require_database_url() == "postgresql://somewhere"
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "gone"))
    with pytest.raises(SettingsError, match="DATABASE_URL_FILE names"):
        read_settings()


def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONICGEN_PORT", "eighty")
    monkeypatch.setenv("SONICGEN_FALSE_POSITIVE_RATE", "2")
    with pytest.raises(SettingsError, match=r"SONICGEN_PORT.*SONICGEN_FALSE_POSITIVE_RATE"):
        read_settings()


def test_settings_do_not_change() -> None:
    settings = read_settings()
    with pytest.raises(ValidationError):
        settings.port = 1


def test_the_example_names_every_variable() -> None:
    example = (REPOSITORY / ".env.example").read_text()
    set_by_people = {field.alias for field in Settings.model_fields.values()} - {
        "STORAGE_EMULATOR_HOST",
        "SONICGEN_LOCAL_TRANSCRIBER_URL",
    }
    assert {name for name in set_by_people if f"\n{name}=" not in example} == set()


STAND_IN = {"local_transcriber_url": "http://x"}


@pytest.mark.parametrize(
    ("given", "provider", "told"),
    [
        ({}, None, "ASSEMBLYAI_API_KEY is not set, and the stand-in"),
        (STAND_IN, "local", "stand-in on this machine"),
        ({"assemblyai_api_key": "k", **STAND_IN}, "assemblyai", "AssemblyAI at https://api"),
        ({"transcription": "local", "assemblyai_api_key": "k"}, None, "stand-in of the embedded cloud does not run"),
        ({"transcription": "local", "assemblyai_api_key": "k", **STAND_IN}, "local", "stand-in"),
        ({"transcription": "assemblyai", **STAND_IN}, None, "get a key"),
        ({"transcription": "off", "assemblyai_api_key": "k"}, None, "turned off by SONICGEN_TRANSCRIPTION"),
    ],
)
def test_who_transcribes(given: dict[str, str], provider: str | None, told: str) -> None:
    settings = read_settings(**given)
    assert settings.transcription_provider == provider
    assert told in settings.explain_transcription()


def test_key_terms_and_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings(vocabulary=" Ada,, Bombe ").key_terms == ("Ada", "Bombe")
    monkeypatch.setenv("SONICGEN_TRANSCRIPTION_BUDGET", "a lot")
    with pytest.raises(SettingsError, match="SONICGEN_TRANSCRIPTION_BUDGET"):
        read_settings()
