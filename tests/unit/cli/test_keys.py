from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from sonicgen.cli.main import app
from sonicgen.store import api_keys
from sonicgen.store.database import Database


def test_a_key_is_made_shown_once_listed_and_revoked(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    runner = CliRunner()
    made = json.loads(runner.invoke(app, ["keys", "create", "the desk", "--role", "labeller", "--json"]).stdout)
    key = api_keys.use(database, made["key"])
    assert key is not None
    assert (key.name, str(key.role), key.hint) == ("the desk", "labeller", made["key"][:10])
    listed = runner.invoke(app, ["keys", "list", "--json"]).stdout
    assert made["key"] not in listed
    assert [one["name"] for one in json.loads(listed)] == ["the desk"]
    assert runner.invoke(app, ["keys", "revoke", made["id"][:8]]).exit_code == 0
    assert api_keys.use(database, made["key"]) is None
    assert runner.invoke(app, ["keys", "revoke", "zzzz"]).exit_code != 0
