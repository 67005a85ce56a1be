"""Who speaks, over HTTP: people, unknown voices that wait for a name, their clips, enrolment, erasure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Query, Response, UploadFile
from pydantic import BaseModel, Field

from sonicgen.console.access import Admin, Labeller, Viewer
from sonicgen.domain.speaker import LONGEST_NAME_CHARACTERS, EnrolmentState
from sonicgen.steps import change_speakers
from sonicgen.steps.enrol_speaker import ConsentGiven, enrol_speaker
from sonicgen.steps.forget_speaker import forget_speaker
from sonicgen.steps.label_voices import describe_voice, next_voices, overview_json, read_clip
from sonicgen.steps.recognise_groups import recognise_groups
from sonicgen.steps.services import services
from sonicgen.steps.show_speaker import show_speaker
from sonicgen.store import changes, enrolments, speakers

router = APIRouter(tags=["speakers"])

Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME_CHARACTERS)]


class NameRequest(BaseModel):
    """A name to give."""

    name: Name


class MergeRequest(BaseModel):
    """Speakers that are the same person as another one."""

    speakers: list[UUID] = Field(min_length=1, max_length=1_000)


class SplitRequest(BaseModel):
    """Voices that are somebody else; unknown without a name."""

    voices: list[UUID] = Field(min_length=1, max_length=10_000)
    name: Name | None = None


class RejectRequest(BaseModel):
    """Whom a voice is not."""

    speaker: UUID


@router.get("/v1/speakers")
def list_speakers(
    caller: Viewer,
    known: bool | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: str | None = None,
) -> dict[str, object]:
    """People by name, then unknown voices by number; `next` is the cursor of the following page, null on the last."""
    page, after = speakers.list_page(services().database, is_known=known, after=cursor, limit=limit)
    return {"speakers": [overview_json(each) for each in page], "next": after}


@router.get("/v1/speakers/changes")
def list_changes(
    caller: Viewer, speaker: UUID | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> dict[str, object]:
    """What was decided about speakers, newest first."""
    found = changes.history(services().database, speaker, limit)
    return {
        "changes": [
            {
                "decision": str(each.decision_id),
                "kind": each.kind,
                "speakers": [str(one) for one in each.speaker_ids],
                "by": each.decided_by,
                "at": each.made_at.isoformat(),
                "undone_at": each.undone_at.isoformat() if each.undone_at else None,
            }
            for each in found
        ]
    }


@router.post("/v1/speakers/changes/{decision}/undo")
def undo(caller: Labeller, decision: UUID) -> dict[str, object]:
    """Take back a change; what was changed since is to be taken back first."""
    done = change_speakers.undo_change(services(), decision, by=caller.name)
    return {"decision": str(done.decision_id), "kind": done.kind}


@router.post("/v1/speakers/enroll", status_code=201)
def enroll(
    caller: Admin,
    response: Response,
    name: Annotated[str, Form()],
    consent_by: Annotated[str, Form()],
    purpose: Annotated[str, Form()],
    files: list[UploadFile],
    consent_at: Annotated[datetime | None, Form()] = None,
    same_person: Annotated[bool, Form()] = False,
) -> dict[str, object]:
    """Enrol a person with samples of their voice: 201 when all could be used, 422 with a reason each when not."""
    given_at = consent_at or datetime.now(UTC)
    with _saved(files) as saved:
        done = enrol_speaker(
            services(),
            name,
            saved,
            ConsentGiven(consent_by, purpose, given_at if given_at.tzinfo else given_at.replace(tzinfo=UTC)),
            by=caller.name,
            is_same_person=same_person,
        )
    if done.state is not EnrolmentState.ENROLLED:
        response.status_code = 422
    return done.to_json()


@router.get("/v1/speakers/enrolments/{identifier}")
def show_enrolment(caller: Viewer, identifier: UUID) -> dict[str, object]:
    """How an enrolment ended, with a reason for each sample that could not be used."""
    with services().database.transaction() as connection:
        return enrolments.get(connection, identifier).to_json()


@router.get("/v1/speakers/{identifier}")
def show(caller: Viewer, identifier: UUID) -> dict[str, Any]:
    """One speaker: names, consent, where they are heard and how sure that is. Vectors are never part of an answer."""
    return show_speaker(services(), identifier)


@router.get("/v1/speakers/{identifier}/appearances")
def appearances(caller: Viewer, identifier: UUID) -> dict[str, Any]:
    """Where somebody is heard: recordings, labels, turns."""
    return {"appearances": show_speaker(services(), identifier)["appearances"]}


@router.patch("/v1/speakers/{identifier}")
def rename(caller: Labeller, identifier: UUID, request: NameRequest) -> dict[str, object]:
    """Give a speaker a name, in all recordings; a voice that gets the name of somebody known becomes theirs."""
    return _named(identifier, request.name, caller.name)


@router.post("/v1/speakers/{identifier}/merge")
def merge(caller: Labeller, identifier: UUID, request: MergeRequest) -> dict[str, object]:
    """Make others the same person as this one; their names become other names."""
    return change_speakers.merge_speakers(services(), request.speakers, identifier, by=caller.name).to_json()


@router.post("/v1/speakers/{identifier}/split")
def split(caller: Labeller, identifier: UUID, request: SplitRequest) -> dict[str, object]:
    """Take voices away: they are somebody else."""
    return change_speakers.split_speaker(services(), identifier, request.voices, request.name, by=caller.name).to_json()


@router.post("/v1/speakers/{identifier}/aliases", status_code=201)
def add_alias(caller: Labeller, identifier: UUID, request: NameRequest) -> dict[str, object]:
    """Give a person another name by which they are found too."""
    return change_speakers.add_alias(services(), identifier, request.name, by=caller.name).to_json()


@router.delete("/v1/speakers/{identifier}/aliases/{alias}")
def remove_alias(caller: Labeller, identifier: UUID, alias: str) -> dict[str, object]:
    """Take another name away."""
    return change_speakers.remove_alias(services(), identifier, alias, by=caller.name).to_json()


@router.delete("/v1/speakers/{identifier}")
def forget(caller: Admin, identifier: UUID) -> dict[str, object]:
    """Forget a person everywhere; the answer says what was removed and that a search found nothing left."""
    with services().database.transaction() as connection:
        speaker = speakers.get(connection, identifier)
    return forget_speaker(services(), speaker, by=caller.name).to_json()


@router.get("/v1/voices")
def waiting_voices(caller: Viewer, limit: Annotated[int, Query(ge=1, le=100)] = 10) -> dict[str, object]:
    """Unknown voices, the one that a name helps most first, each with clips and suggestions."""
    return {"voices": [each.to_json() for each in next_voices(services(), limit)]}


@router.get("/v1/voices/clips/{clip}")
def clip_audio(caller: Viewer, clip: UUID) -> Response:
    """A clip's sound."""
    headers = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
    return Response(read_clip(services(), clip), media_type="audio/flac", headers=headers)


@router.get("/v1/voices/{identifier}")
def show_voice(caller: Viewer, identifier: UUID) -> dict[str, object]:
    """One voice with clips and suggestions."""
    return describe_voice(services(), identifier).to_json()


@router.post("/v1/voices/{identifier}/name")
def name_voice(caller: Labeller, identifier: UUID, request: NameRequest) -> dict[str, object]:
    """Name an unknown voice, typed or as suggested; all its recordings have the name from then on."""
    return _named(identifier, request.name, caller.name)


@router.post("/v1/voices/{identifier}/reject")
def reject(caller: Labeller, identifier: UUID, request: RejectRequest) -> dict[str, object]:
    """Say who a voice is not; they are not suggested again."""
    return change_speakers.reject_suggestion(services(), identifier, request.speaker, by=caller.name).to_json()


@router.post("/v1/voices/{identifier}/skip", status_code=204)
def skip(caller: Labeller, identifier: UUID) -> None:
    """Put a voice at the end of those that wait for a name."""
    change_speakers.skip_voice(services(), identifier)


def _named(identifier: UUID, name: str, by: str) -> dict[str, object]:
    done = change_speakers.name_speaker(services(), identifier, name, by=by)
    return {**done.to_json(), "groups_recognised": recognise_groups(services(), done.speaker.id)}


@contextmanager
def _saved(files: Sequence[UploadFile]) -> Iterator[list[tuple[Path, str]]]:
    """Give uploads as files inside the block; their names are told, never used as paths."""
    with TemporaryDirectory(prefix="sonicgen-enrol-") as folder:
        saved = []
        for number, upload in enumerate(files):
            path = Path(folder) / str(number)
            with path.open("wb") as file:
                copyfileobj(upload.file, file)
            saved.append((path, Path(upload.filename or f"sample {number + 1}").name))
        yield saved
