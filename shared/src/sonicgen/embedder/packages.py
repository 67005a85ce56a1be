"""Weights that come in the packages of others: found where pip put them, never imported."""

from __future__ import annotations

from functools import lru_cache
from importlib import metadata
from pathlib import Path


@lru_cache(maxsize=8)
def find_in_package(package: str, file: str) -> Path | None:
    """Return where a file of an installed package lies, None when the package or the file is not here."""
    try:
        path = Path(str(metadata.distribution(package).locate_file(file)))
    except metadata.PackageNotFoundError:
        return None
    return path if path.is_file() else None
