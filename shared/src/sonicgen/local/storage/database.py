"""The sqlite file that everything except the objects' bytes lives in."""

from __future__ import annotations

import time
from pathlib import Path

from sonicgen.local import sqlite


def now_microseconds() -> int:
    """Return the time as the server writes it: microseconds since 1970."""
    return time.time_ns() // 1000


class Database(sqlite.Database):
    """The state of one embedded Cloud Storage."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, __package__)
