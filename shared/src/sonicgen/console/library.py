"""An entry of the library as JSON, and the cursors of its pages."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any
from uuid import UUID

from sonicgen.errors import InputError
from sonicgen.steps.representation import recording_json
from sonicgen.store.library import Entry


def entry_json(entry: Entry) -> dict[str, Any]:
    """Return the documented form of a recording with what belongs to it."""
    return {
        **recording_json(entry.recording),
        "original_title": entry.original_title,
        "channel_title": entry.channel_title,
        "transcript_state": entry.transcript_state,
        "language": entry.language,
        "copies": entry.copies,
        "speakers": entry.speakers,
        "spent": str(entry.spent) if entry.spent is not None else None,
        "saved": str(entry.saved) if entry.saved is not None else None,
        "currency": entry.currency,
    }


def write_library_cursor(cursor: tuple[str, UUID] | None) -> str | None:
    """Return where a page ended as text for a URL."""
    if cursor is None:
        return None
    return base64.urlsafe_b64encode(json.dumps([cursor[0], str(cursor[1])]).encode()).decode().rstrip("=")


def read_library_cursor(text: str | None) -> tuple[str, UUID] | None:
    """Return what `write_library_cursor` wrote; raise InputError for anything else."""
    if not text:
        return None
    try:
        key, identifier = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return str(key), UUID(identifier)
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise InputError("The cursor is none that a page of ours ended with.") from error
