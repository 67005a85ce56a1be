"""Matches on record: what rests on what, and what people say of the uncertain ones."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel

from sonicgen.console import forms
from sonicgen.console.access import Labeller, Viewer
from sonicgen.console.library import read_library_cursor, write_library_cursor
from sonicgen.console.once import IdempotencyKey, answer_once
from sonicgen.console.paging import Cursor
from sonicgen.domain.match import Decision
from sonicgen.errors import InputError
from sonicgen.steps.recording_sound import spectrogram_of
from sonicgen.steps.review_match import Reviewed, evidence_of, review_match, undo_review
from sonicgen.steps.services import services
from sonicgen.store import matches, recordings
from sonicgen.store.matches import StoredMatch

router = APIRouter(tags=["matches"])


class ReviewRequest(BaseModel):
    """What a person says of a match."""

    verdict: Literal["accepted", "rejected"]


@router.get("/v1/matches")
def list_matches(
    caller: Viewer,
    decision: Decision | None = None,
    review: Literal["accepted", "rejected", "none"] | None = None,
    recording: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Matches, the most probable first; `decision=unsure&review=none` are those that wait for a person."""
    page = matches.page(
        services().database,
        decision=decision,
        review=review,
        video_id=recording,
        limit=limit,
        cursor=_read_cursor(cursor),
    )
    following = page.next_cursor
    return {
        "matches": [_with_titles(match) for match in page.matches],
        "next": write_library_cursor((repr(following[0]), following[1]) if following else None),
    }


@router.get("/v1/matches/{identifier}")
def show_match(identifier: UUID, caller: Viewer) -> dict[str, Any]:
    """One match with the titles of both sides."""
    return _with_titles(matches.get(services().database, identifier))


@router.get("/v1/matches/{identifier}/evidence")
def show_evidence(identifier: UUID, caller: Viewer) -> dict[str, Any]:
    """What a match rests on: the landmarks of both sides, and which of them lie on each other (docs/api.md)."""
    return evidence_of(services(), matches.get(services().database, identifier))


@router.get("/v1/matches/{identifier}/spectrogram")
def show_spectrogram(
    identifier: UUID, request: Request, caller: Viewer, side: Literal["query", "reference"] = "query"
) -> dict[str, Any]:
    """One side of a match as a picture: `levels` (base64) has a byte for each place, column by column."""
    match = matches.get(services().database, identifier)
    which, start, end = (
        (match.video_id, match.query_start_seconds, match.query_end_seconds)
        if side == "query"
        else (match.reference_id, match.reference_start_seconds, match.reference_end_seconds)
    )
    recording = recordings.get(services().database, which)
    made = spectrogram_of(services(), request.app.state.finder.workers, recording, start, end)
    return {"columns": made.columns, "rows": made.rows, "levels": base64.b64encode(made.levels).decode()}


@router.get("/v1/recordings/{identifier}/matches")
def matches_of(identifier: UUID, caller: Viewer) -> dict[str, Any]:
    """What a recording holds of others, and what others hold of it."""
    database = services().database
    recordings.get(database, identifier)
    return {
        "matches": [_with_titles(match) for match in matches.of(database, identifier)],
        "copies": [_with_titles(match) for match in matches.copies_of(database, identifier)],
    }


@router.put("/v1/matches/{identifier}/review")
def review(identifier: UUID, body: ReviewRequest, caller: Labeller, idempotency_key: IdempotencyKey = None) -> Response:
    """Accept or reject a match; 409 when somebody did before."""

    def work() -> dict[str, Any]:
        return _reviewed_json(review_match(services(), identifier, body.verdict, reviewed_by=caller.name))

    return answer_once(caller, idempotency_key, ("review", identifier, body.verdict), work)


@router.delete("/v1/matches/{identifier}/review")
def take_back_review(identifier: UUID, caller: Labeller) -> dict[str, Any]:
    """Take back what was said of a match."""
    return _reviewed_json(undo_review(services(), identifier))


def _reviewed_json(reviewed: Reviewed) -> dict[str, Any]:
    return {"match": _with_titles(reviewed.match), "decision": forms.decision_json(reviewed.decision)}


def _with_titles(match: StoredMatch) -> dict[str, Any]:
    database = services().database
    query, reference = (recordings.find(database, each) for each in (match.video_id, match.reference_id))
    return {
        **match.to_json(),
        "title": query.title if query else None,
        "reference_title": reference.title if reference else None,
    }


def _read_cursor(text: str | None) -> tuple[float, UUID] | None:
    read = read_library_cursor(text)
    try:
        return None if read is None else (float(read[0]), read[1])
    except ValueError as error:
        raise InputError("The cursor is none that a page of ours ended with.") from error
