"""The forms of the older voice service: fields of the form or, as older clients send them, of the address."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from fastapi import Request
from pydantic import BaseModel, Field
from starlette.datastructures import FormData, UploadFile

from sonicgen.console.problems import ProblemError
from sonicgen.errors import InputError, TooLargeError
from sonicgen.steps.services import services

MOST_FILES, MOST_FIELDS = 20, 30
_BLOCK_BYTES = 1 << 18

_FLAG = {"type": "boolean", "default": False}
_FILE = {"type": "string", "format": "binary"}
_TEXT = {"type": "string"}


class Failure(BaseModel):
    """What every request is answered with that cannot be served."""

    success: Literal[False]
    data: None
    error: str = Field(description="A sentence that says what to do.")


def _described(required: list[str], **fields: dict[str, Any]) -> dict[str, Any]:
    """Return what the OpenAPI document says of a form that is read by hand."""
    schema = {"type": "object", "required": required, "properties": fields}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


ENROLMENT = _described(
    ["name", "files", "consent_by", "consent_purpose"],
    name=_TEXT,
    files={"type": "array", "items": _FILE},
    consent_by={**_TEXT, "description": "Who gave the consent."},
    consent_purpose={**_TEXT, "description": "What it was given for."},
    same_person=_FLAG,
)
DIARIZATION = _described(
    ["file"],
    file=_FILE,
    export_segments=_FLAG,
    sync=_FLAG,
    num_speakers={"type": "integer", "minimum": 1, "maximum": 30},
)
IDENTIFICATION = _described(
    ["file"],
    file=_FILE,
    export_segments=_FLAG,
    sync=_FLAG,
    num_speakers={"type": "integer", "minimum": 1, "maximum": 30},
    threshold={"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "description": "Least probability."},
)


async def read_form(request: Request) -> FormData:
    """Return the request's form, whose files lie on disk; refuse what is too large before any of it is read."""
    most = services().settings.embedder_upload_bytes
    announced = request.headers.get("content-length", "")
    if not announced.isdecimal():
        raise ProblemError(411, "length_required", "Send the form with a Content-Length.")
    if int(announced) > most:
        raise TooLargeError(f"That is larger than {most / 2**20:.0f} MB, which is the limit here.")
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise ProblemError(415, "unsupported_media_type", "Send a form (multipart/form-data).")
    return await request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS)


def save_file(file: UploadFile, path: Path) -> Path:
    """Write an upload to a path and return that."""
    with path.open("wb") as out:
        while block := file.file.read(_BLOCK_BYTES):
            out.write(block)
    return path


def text(form: FormData, field: str, request: Request, otherwise: str | None = None) -> str:
    """Return a field of the form, or of the address, as older clients send it."""
    value = form.get(field, request.query_params.get(field, otherwise))
    if not isinstance(value, str):
        raise InputError(f"The field `{field}` is missing.")
    return value.strip()


def flag(form: FormData, field: str, request: Request) -> bool:
    """Return a field that is true or false; false where it is missing."""
    value = text(form, field, request, "false").lower()
    if value not in ("true", "1", "yes", "on", "false", "0", "no", "off", ""):
        raise InputError(f"`{field}` is true or false, not {value!r}.")
    return value in ("true", "1", "yes", "on")


def number(form: FormData, field: str, request: Request, least: int, most: int) -> int | None:
    """Return a field that is a whole number within bounds, None where it is missing."""
    value = text(form, field, request, "")
    if not value:
        return None
    if not value.isdecimal() or not least <= int(value) <= most:
        raise InputError(f"`{field}` is a number from {least} to {most}, not {value!r}.")
    return int(value)


def threshold(form: FormData, request: Request) -> float | None:
    """Return the least probability that is asked for, None for the usual one."""
    value = text(form, "threshold", request, "")
    try:
        probability = float(value) if value else None
    except ValueError:
        probability = -1.0
    if probability is not None and not 0 < probability < 1:
        raise InputError(f"`threshold` is the least probability, between 0 and 1, not {value!r}.")
    return probability
