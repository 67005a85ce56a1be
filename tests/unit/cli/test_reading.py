"""`sonicgen search`, `transcript` and `edit` against a real database."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sonicgen.cli.main import app
from sonicgen.domain.recording import Recording
from sonicgen.errors import InputError, NotFoundError
from sonicgen.steps.services import Services
from sonicgen.store.database import Database
from tests.unit.steps.transcripts import line, lines_of, tell

Run = Callable[..., Any]


@pytest.fixture
def run(services: Services, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command; an error that `main` would explain is the result's exception."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def talk(database: Database) -> Recording:
    return tell(
        database,
        [line("we met [Ada] in the garden", 61.0, "A", "Grace Hopper"), line("where?", 70.0, "B")],
        title="talk.mp3",
    )


def told(result: Any) -> Any:
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


def test_search_says_where_who_and_when(run: Run, talk: Recording) -> None:
    result = run("search", "garden", "--speaker", "grace")
    assert result.exit_code == 0, result.exception
    assert f"1:03.5  Grace Hopper  talk.mp3 {str(talk.id)[:8]} line 0" in result.stdout
    assert "we met [Ada] in the garden" in result.stdout
    assert "1 of 1 lines that fit" in result.stderr
    (hit,) = told(run("search", "garden", "--json", "--recording", "talk.mp3"))["hits"]
    assert (hit["seconds"], hit["highlights"]) == (63.5, [[20, 26]])


def test_search_that_finds_nothing_ends_with_1(run: Run, talk: Recording) -> None:
    for arguments in (["snow"], ["garden", "--speaker", "b"], ["garden", "--before", "2001-01-01"]):
        result = run("search", *arguments)
        assert result.exit_code == 1
        assert result.stdout.startswith("Nothing found: no transcript has a line that fits ")
    assert run("search", "snow", "--json").exit_code == 1
    for arguments, error in (
        (["-"], InputError), (["x", "--after", "x"], InputError), (["x", "--channel", "UC"], NotFoundError),
        (["x", "--recording", "ffff"], NotFoundError),
    ):  # fmt: skip
        assert isinstance(run("search", *arguments).exception, error)
    assert run("search", "x", "--limit", "0").exit_code == 2


def test_transcript_for_people_and_programs(run: Run, talk: Recording, tmp_path: Path) -> None:
    shown = run("transcript", str(talk.id)[:8]).stdout
    assert "   0     1:01.0  Grace Hopper: we met [Ada] in the garden" in shown
    assert "   1     1:10.0  Speaker B: where?" in shown
    assert run("transcript", "talk.mp3", "--format", "txt").stdout == (
        "[00:01:01] Grace Hopper: we met [Ada] in the garden\n[00:01:10] Speaker B: where?\n"
    )
    out = tmp_path / "talk.vtt"
    assert run("transcript", "talk.mp3", "--out", out).exit_code == 0
    assert out.read_text().startswith("WEBVTT\n")
    assert run("transcript", "talk.mp3", "--out", out, "--format", "srt").exit_code == 0
    assert out.read_text().startswith("1\n00:01:01,000 --> ")
    for arguments, error in (
        (["talk.mp3", "--format", "doc"], InputError), (["talk.mp3", "--out", tmp_path / "talk.doc"], InputError),
        (["talk.mp3", "--out", tmp_path / "none" / "talk.srt"], InputError), (["ffff"], NotFoundError),
    ):  # fmt: skip
        assert isinstance(run("transcript", *arguments).exception, error)


def test_edit_undo_and_history(run: Run, talk: Recording, database: Database) -> None:
    changed = told(run("edit", "talk.mp3", 1, "--text", "where was that?", "--speaker", "Emmy Noether", "--json"))
    assert (changed["text"], changed["speaker_name"]) == ("where was that?", "Emmy Noether")
    assert lines_of(database, talk)[1] == ("Emmy Noether", "where was that?")
    history = told(run("edit", "talk.mp3", "--history", "--json"))
    assert [(one["kind"], one["position"]) for one in history] == [("text", 1), ("speaker", 1)]
    assert "B: where was that?" in run("edit", "talk.mp3", 1, "--undo").stdout
    shown = run("edit", "talk.mp3", 1, "--history").stdout
    assert "where was that?" in shown
    assert shown.count("undone") == 1
    assert "Nothing was changed." in run("edit", "talk.mp3", 0, "--history").stdout
    assert run("edit", "talk.mp3", 1, "--speaker", "").exit_code == 0
    assert lines_of(database, talk)[1] == (None, "where was that?")


def test_edit_says_what_is_missing(run: Run, talk: Recording) -> None:
    for arguments, error in (
        ([1], InputError), (["--text", "x"], InputError), ([1, "--text", "x", "--undo"], InputError),
        ([1, "--undo"], NotFoundError), ([9, "--text", "x"], NotFoundError), ([1, "--text", " "], InputError),
    ):  # fmt: skip
        assert isinstance(run("edit", "talk.mp3", *arguments).exception, error), arguments
