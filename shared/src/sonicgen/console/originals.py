"""Originals and every other place where their sound turned up."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from sonicgen.console.access import Viewer
from sonicgen.steps.representation import recording_json
from sonicgen.steps.services import services
from sonicgen.store import matches, recordings

router = APIRouter(tags=["originals"])


@router.get("/v1/originals/{identifier}/copies")
@router.get("/v1/originals/{identifier}/reposts", include_in_schema=False)
def list_copies(identifier: UUID, caller: Viewer) -> dict[str, Any]:
    """Whole copies of a recording, and the ranges of it that others hold."""
    database = services().database
    original = recordings.get(database, identifier)
    ranges = matches.copies_of(database, original.id)
    copies = recordings.copies_of(database, original.id)
    known = {copy.id for copy in copies}
    holders = [
        recordings.find(database, each) for each in dict.fromkeys(m.video_id for m in ranges) if each not in known
    ]
    return {
        "original": recording_json(original),
        "copies": [
            {**recording_json(copy), "ranges": [m.to_json() for m in ranges if m.video_id == copy.id]}
            for copy in copies
        ],
        "excerpts": [
            {**recording_json(holder), "ranges": [m.to_json() for m in ranges if m.video_id == holder.id]}
            for holder in holders
            if holder is not None
        ],
    }
