"""The recorded requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def recorded() -> Callable[[str], Any]:
    """Read a request of `tests/events`."""
    folder = Path(__file__).parents[2] / "events"
    return lambda name: json.loads((folder / f"{name}.json").read_text("utf-8"))
