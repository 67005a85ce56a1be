"""Originals and every other place where their sound turned up."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from sonicgen.console.access import Labeller, Viewer
from sonicgen.errors import InputError
from sonicgen.steps.editions import check_second, time_map
from sonicgen.steps.representation import recording_json
from sonicgen.steps.services import services
from sonicgen.steps.set_origin import origin_of, set_copy, set_original, undo_origin
from sonicgen.store import matches, recordings

router = APIRouter(tags=["originals"])


class OriginRequest(BaseModel):
    """Whose copy a recording is; null says that it is an original itself."""

    original_video_id: UUID | None


@router.get("/v1/recordings/{identifier}/origin")
def show_origin(identifier: UUID, caller: Viewer) -> dict[str, Any]:
    """Whose copy a recording is, who or what decided it, and by which evidence."""
    return origin_of(services(), recordings.get(services().database, identifier)).to_json()


@router.get("/v1/recordings/{identifier}/timemap")
def show_time_map(
    identifier: UUID,
    caller: Viewer,
    to: UUID | None = None,
    second: Annotated[float | None, Query(ge=0, allow_inf_nan=False)] = None,
) -> dict[str, Any]:
    """Where a recording lies in another edition of it, in pieces, and where one second of it does.

    `to` is the other edition; without it the recording's original. What the other does not have leads nowhere.
    """
    database = services().database
    recording = recordings.get(database, identifier)
    other = to or recording.original_video_id
    if other is None:
        raise InputError(f"“{recording.title}” is an original; name the other edition (to=).")
    if second is not None:
        check_second(recording, second)
    return time_map(services(), recording, recordings.get(database, other)).to_json(second)


@router.put("/v1/recordings/{identifier}/origin", status_code=202)
def decide_origin(identifier: UUID, wanted: OriginRequest, caller: Labeller) -> dict[str, Any]:
    """Decide whose copy a recording is; what has to change is read anew, and no evidence overrules it."""
    database = services().database
    recording = recordings.get(database, identifier)
    if wanted.original_video_id is None:
        set_original(services(), recording)
    else:
        set_copy(services(), recording, recordings.get(database, wanted.original_video_id))
    return origin_of(services(), recordings.get(database, identifier)).to_json()


@router.delete("/v1/recordings/{identifier}/origin", status_code=202)
def undo_decision(identifier: UUID, caller: Labeller) -> dict[str, Any]:
    """Take back what a person decided; the evidence decides again."""
    undo_origin(services(), recordings.get(services().database, identifier))
    return origin_of(services(), recordings.get(services().database, identifier)).to_json()


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
