from __future__ import annotations

import re
from pathlib import Path

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
    modules = [file.read_text() for file in (Path(str(SQL_FOLDER)).parent).glob("*.py")]
    using = "".join(module for module in modules if f'load_statements("{noun}")' in module)
    # A family of statements may be called by its common beginning: _SQL[f"put_{part}"].
    families = tuple(re.findall(r'_SQL\[f"(\w+_)\{', using)) or ("no family",)
    unused = [name for name in load_statements(noun) if f'"{name}"' not in using and not name.startswith(families)]
    assert unused == []
