"""Transcripts: what was said, in every format, and lines that people correct."""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from sonicgen.console.access import Labeller, Viewer
from sonicgen.console.problems import ProblemError
from sonicgen.domain.recording import Recording
from sonicgen.domain.transcript import Utterance
from sonicgen.errors import InputError
from sonicgen.steps.describe_answer import line_json
from sonicgen.steps.edit_utterance import edit_speaker, edit_text, history_of, undo_edit
from sonicgen.steps.export_transcript import MEDIA_TYPES, export_transcript, read_format, read_transcript
from sonicgen.steps.services import services
from sonicgen.store import recordings, transcripts

router = APIRouter(tags=["transcripts"])

_ETAG = re.compile(r'(?:W/)?"r(\d{1,9})"', re.ASCII)
IfMatch = Annotated[str | None, Header(description="The ETag of the transcript that was looked at.")]


class LineChange(BaseModel):
    """A line's new text, or who says it (a label, a name, or "" for nobody knows); at least one."""

    text: str | None = Field(default=None, max_length=20_000)
    speaker: str | None = Field(default=None, max_length=200)


@router.get("/v1/transcripts/{identifier}")
@router.get("/v1/recordings/{identifier}/transcript")
def show_transcript(
    identifier: UUID, caller: Viewer, form: Annotated[str, Query(alias="format")] = "json", download: bool = False
) -> Response:
    """One recording's transcript in a format: json, srt, vtt, txt or rttm; its ETag is what edits are to name."""
    wanted = read_format(form)
    recording = recordings.get(services().database, identifier)
    transcript = transcripts.find(services().database, identifier)
    headers = {} if transcript is None else {"ETag": _etag(transcript.revision)}
    if download:
        headers["Content-Disposition"] = f'attachment; filename="{identifier}.{wanted}"'
    return Response(export_transcript(services(), recording, wanted), media_type=MEDIA_TYPES[wanted], headers=headers)


@router.get("/v1/transcripts/{identifier}/lines")
def list_lines(
    identifier: UUID,
    caller: Viewer,
    after: Annotated[int, Query(ge=-1, le=10_000_000, description="The position of the last line seen.")] = -1,
    limit: Annotated[int, Query(ge=1, le=2000)] = 500,
) -> Response:
    """A transcript's lines by position; `next` is the `after` of the following page, null on the last."""
    recording = recordings.get(services().database, identifier)
    transcript, lines = read_transcript(services(), recording)
    page = list(enumerate(lines))[after + 1 : after + 1 + limit]
    body = {
        "lines": [{"position": position, **line_json(line)} for position, line in page],
        "state": str(transcript.state),
        "revision": transcript.revision,
        "next": page[-1][0] if page and page[-1][0] + 1 < len(lines) else None,
    }
    return JSONResponse(body, headers={"ETag": _etag(transcript.revision)})


@router.patch("/v1/transcripts/{identifier}/lines/{position}")
def change_line(
    identifier: UUID, position: int, body: LineChange, caller: Labeller, if_match: IfMatch = None
) -> Response:
    """Correct a line. `If-Match` names the transcript's ETag: 412 when somebody changed it meanwhile, 428 without."""
    recording, revision = recordings.get(services().database, identifier), _read_etag(if_match)
    if body.text is None and body.speaker is None:
        raise InputError("Give a text or a speaker.")
    if body.text is not None and body.speaker is not None:
        raise InputError("Give a text or a speaker, not both: each is a change of its own.")
    edit, value = (edit_text, body.text) if body.text is not None else (edit_speaker, body.speaker or "")
    line = edit(services(), recording, _position(position), value, edited_by=caller.name, revision=revision)
    return _changed(recording, position, line)


@router.delete("/v1/transcripts/{identifier}/lines/{position}/edit")
def undo_change(identifier: UUID, position: int, caller: Labeller, if_match: IfMatch = None) -> Response:
    """Take back the latest change of a line; again takes back the one before it."""
    recording = recordings.get(services().database, identifier)
    line = undo_edit(services(), recording, _position(position), revision=_read_etag(if_match))
    return _changed(recording, position, line)


@router.get("/v1/transcripts/{identifier}/edits")
def list_edits(identifier: UUID, caller: Viewer) -> dict[str, Any]:
    """Every change of a transcript's lines, oldest first."""
    recording = recordings.get(services().database, identifier)
    return {"edits": [edit.to_json() for edit in history_of(services(), recording)]}


def _changed(recording: Recording, position: int, line: Utterance) -> Response:
    transcript = transcripts.find(services().database, recording.id)
    headers = {} if transcript is None else {"ETag": _etag(transcript.revision)}
    return JSONResponse({"position": position, **line_json(line)}, headers=headers)


def _position(position: int) -> int:
    if not 0 <= position < 1 << 31:
        raise InputError("A line's position is its number from 0.")
    return position


def _etag(revision: int) -> str:
    return f'"r{revision}"'


def _read_etag(text: str | None) -> int | None:
    if text is None:
        raise ProblemError(
            428, "precondition_required", "Name the transcript that you looked at: If-Match with its ETag, or *."
        )
    if text.strip() == "*":
        return None
    found = _ETAG.fullmatch(text.strip())
    if found is None:
        raise ProblemError(412, "changed_meanwhile", "That is no ETag of this transcript; look again.")
    return int(found[1])
