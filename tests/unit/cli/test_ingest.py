"""`sonicgen ingest` says what is wrong before it asks anybody for anything."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from sonicgen.cli.main import app
from sonicgen.errors import InputError


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name a source"),
        (["@the weather"], "A handle has no spaces; did you mean @theweather"),
        (["weather"], "Did you mean @weather"),
        (["@weather", "ftp://example.org/x"], "http:// or https://"),
        (["@weather", "--after", "31/12/2024"], "YYYY-MM-DD, MM/DD/YYYY"),
        (["@weather", "--after", "2024-01-02", "--before", "01/02/2024"], "nothing could be taken"),
        (["@weather", "--pattern", "("], "no regular expression"),
        (["@weather", "--min-seconds", "5", "--max-seconds", "4"], "nothing could be taken"),
    ],
)
def test_what_cannot_work_is_told_at_once(arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    result = CliRunner().invoke(app, ["ingest", *arguments])
    assert isinstance(result.exception, InputError)
    assert words in str(result.exception)
    assert result.exception.exit_code == 2


@pytest.mark.parametrize("arguments", [["@weather", "--max", "0"], ["@weather", "--max", "x"], ["--nonsense"]])
def test_wrong_usage(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["ingest", *arguments]).exit_code == 2
