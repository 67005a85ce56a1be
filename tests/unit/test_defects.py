"""Every test that docs/defects.md promises exists."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_every_promised_test_exists() -> None:
    promised = set(re.findall(r"`(test_[a-z0-9_]+)`", (REPOSITORY / "docs" / "defects.md").read_text()))
    source = "\n".join(path.read_text() for path in (REPOSITORY / "tests").rglob("test_*.py"))
    present = set(re.findall(r"^def (test_[a-z0-9_]+)\(", source, re.MULTILINE))
    assert len(promised) > 20
    assert promised - present == set()
