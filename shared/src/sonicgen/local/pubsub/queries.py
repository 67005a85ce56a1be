"""The SQL of `queries.sql`, by name."""

from __future__ import annotations

import re
from importlib.resources import files


def _read(name: str) -> str:
    return files("sonicgen.local.pubsub").joinpath(name).read_text(encoding="utf-8")


def _parse(text: str) -> dict[str, str]:
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)[1:]
    return {name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}


SCHEMA = _read("schema.sql")
QUERIES = _parse(_read("queries.sql"))
