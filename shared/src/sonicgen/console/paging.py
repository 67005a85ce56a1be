"""Pages by cursor: opaque texts that say where the last page ended."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from sonicgen.steps.representation import read_cursor, write_cursor

__all__ = ["Cursor", "read_page_cursor", "write_cursor"]

Cursor = Annotated[str | None, Query(description="`next` of the page before.", max_length=400)]


def read_page_cursor(text: str | None) -> tuple[datetime, UUID] | None:
    """Return where a page ended; raise InputError for what no page ended with."""
    return read_cursor(text or None)
