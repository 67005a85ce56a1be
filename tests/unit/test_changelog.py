"""The changelog speaks of the version that the package has."""

from __future__ import annotations

import re
from pathlib import Path

from sonicgen import __version__

REPOSITORY = Path(__file__).parents[2]


def test_the_newest_entry_is_this_version() -> None:
    entries = re.findall(r"^## (\d+\.\d+\.\d+)", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert entries[0] == __version__
