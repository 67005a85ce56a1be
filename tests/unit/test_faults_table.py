"""docs/faults.md names tests that exist, and leaves out no fault of the catalogue."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
TABLE = (REPOSITORY / "docs" / "faults.md").read_text()
KINDS = ("storage", "bus", "documents", "database", "provider")


def _sources() -> str:
    return "\n".join(path.read_text() for path in (REPOSITORY / "tests").rglob("test_*.py"))


def test_every_named_test_exists() -> None:
    named = set(re.findall(r"`(test_[a-z0-9_]+)(?:\[([^`]*)\])?`", TABLE))
    source = _sources()
    present = set(re.findall(r"^def (test_[a-z0-9_]+)\(", source, re.MULTILINE))
    assert len(named) > 30
    assert {name for name, _ in named} - present == set()
    assert [case for _, case in named if case and f'"{case}"' not in source] == []


def test_the_catalogue_is_whole() -> None:
    rows = re.findall(r"^\| \d+ \|", TABLE, re.MULTILINE)
    assert len(rows) >= 30
    source = (REPOSITORY / "tests" / "acceptance" / "faults" / "test_services.py").read_text()
    kinds = re.findall(rf'^    "((?:{"|".join(KINDS)}): [^"]+)": {{', source, re.MULTILINE)
    assert len(kinds) > 30
    assert [kind for kind in kinds if f"[{kind}]`" not in TABLE] == []
