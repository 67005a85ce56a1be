from __future__ import annotations

import re

import pytest

from sonicgen.store.statements import SQL_FOLDER, load_statements

NOUNS = sorted(file.name.removesuffix(".sql") for file in SQL_FOLDER.iterdir() if file.name.endswith(".sql"))


@pytest.mark.parametrize("noun", NOUNS)
def test_every_statement_of_a_file_has_a_name_of_its_own(noun: str) -> None:
    text = (SQL_FOLDER / f"{noun}.sql").read_text()
    assert text.startswith("-- name: ")
    assert list(load_statements(noun)) == re.findall(r"^-- name: (\w+)$", text, re.MULTILINE)


@pytest.mark.parametrize("noun", NOUNS)
def test_every_statement_is_used(noun: str) -> None:
    module = SQL_FOLDER.joinpath("..", f"{noun}.py").read_text()
    assert [name for name in load_statements(noun) if f'"{name}"' not in module] == []
