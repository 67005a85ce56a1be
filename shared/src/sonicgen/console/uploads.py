"""Large files: straight into the bucket, in parts, past the console."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from sonicgen.console.access import Anyone
from sonicgen.console.limits import check_allowance
from sonicgen.console.once import IdempotencyKey, answer_once
from sonicgen.console.problems import ProblemError
from sonicgen.domain.role import Role
from sonicgen.steps.find_upload import begin_upload
from sonicgen.steps.services import services

router = APIRouter(tags=["uploads"])


class UploadRequest(BaseModel):
    """A file that is about to be sent."""

    name: str = Field(min_length=1, max_length=500)
    size_bytes: int = Field(gt=0, le=1 << 42)
    content_type: str = Field(default="application/octet-stream", max_length=100, pattern=r"^[\w.+-]+/[\w.+-]+$")
    purpose: Literal["find", "add"] = "find"


@router.post("/v1/uploads", status_code=201)
def make_upload(
    body: UploadRequest, request: Request, caller: Anyone, idempotency_key: IdempotencyKey = None
) -> Response:
    """Return an address that takes a file's bytes with PUT, in parts of a multiple of 256 KiB (`Content-Range`).

    After a break, PUT with `Content-Range: bytes */SIZE` answers 308 with how far it came (`Range`). A clip is then
    asked about with `{"upload": id}`; a recording to be added needs nothing more.
    """
    if body.purpose == "add" and not caller.role.includes(Role.LABELLER):
        raise ProblemError(403, "not_allowed", "Adding recordings needs the role labeller.")
    check_allowance(caller)

    def work() -> dict[str, Any]:
        started = begin_upload(
            services(),
            owner=caller.owner,
            purpose=body.purpose,
            name=body.name,
            size_bytes=body.size_bytes,
            content_type=body.content_type,
            origin=request.headers.get("origin"),
        )
        return {"id": str(started.upload.id), "url": started.address, "method": "PUT", "protocol": "gcs-resumable"}

    return answer_once(caller, idempotency_key, ("upload", body.model_dump()), work, 201)
