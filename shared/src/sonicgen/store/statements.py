"""SQL statements from the package's `.sql` files, by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)

SQL_FOLDER: Traversable = files(__package__) / "sql"


def load_statements(noun: str) -> Mapping[str, bytes]:
    """Return the statements of `sql/<noun>.sql`; each begins with a line `-- name: <its name>`."""
    parts = _NAME.split((SQL_FOLDER / f"{noun}.sql").read_text(encoding="utf-8"))
    return {name: text.strip().encode() for name, text in zip(parts[1::2], parts[2::2], strict=True)}
