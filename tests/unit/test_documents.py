"""The pages that people read lead where they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sonicgen.settings import REPOSITORY

PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    named = [link for link in _LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in named if not (page.parent / link).exists()] == []
