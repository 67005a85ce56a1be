"""Uploads as they stream in: straight into a file, within limits that hold while bytes arrive."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from sonicgen.console.problems import ProblemError

# Everything in a form that is not the file: a link, a word or two, and a packed fingerprint.
FIELDS_BYTES = 1 << 20
_MOST_FIELDS = 20
_LONGEST_NAME = 200
_LONGEST_HEADER = 8_192


@dataclass(slots=True)
class Intake:
    """What came: the file's place and name, if there was one, and the other fields."""

    file: Path | None = None
    name: str | None = None
    bytes: int = 0
    fields: dict[str, Any] = field(default_factory=dict)


async def take_in(request: Request, folder: Path, maximum_bytes: int) -> Intake:
    """Return what a request's body holds: a form, a JSON object, or the file's bytes themselves.

    Raises ProblemError: 413 as soon as more than `maximum_bytes` come, 415 for another type, 400 for a broken body.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > maximum_bytes + FIELDS_BYTES:
        raise _too_large(maximum_bytes)
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    media_type = kind.decode("latin-1").lower()
    if media_type == "multipart/form-data":
        return await _take_form(request, folder / "upload", options.get(b"boundary", b""), maximum_bytes)
    if media_type == "application/json":
        return Intake(fields=_read_object(await _read_small(request)))
    if media_type.startswith(("audio/", "video/")) or media_type == "application/octet-stream":
        return await _take_bytes(request, folder / "upload", maximum_bytes)
    raise ProblemError(415, "unsupported_media_type", "Send a form, JSON, or the bytes of an audio or video file.")


async def _take_bytes(request: Request, path: Path, maximum_bytes: int) -> Intake:
    taken = Intake(path, _clean_name(request.query_params.get("name", "clip")))
    with path.open("wb") as file:
        async for block in request.stream():
            taken.bytes += len(block)
            if taken.bytes > maximum_bytes:
                raise _too_large(maximum_bytes)
            file.write(block)
    return taken


async def _read_small(request: Request) -> bytes:
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > FIELDS_BYTES:
            raise _too_large(FIELDS_BYTES)
    return bytes(body)


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, "invalid_input", "The body is no JSON.") from error
    if not isinstance(read, dict):
        raise ProblemError(400, "invalid_input", "The body is no JSON object.")
    return read


async def _take_form(request: Request, path: Path, boundary: bytes, maximum_bytes: int) -> Intake:
    if not boundary:
        raise ProblemError(400, "invalid_input", "The form's Content-Type names no boundary.")
    with path.open("wb") as file:
        form = _Form(path, file, maximum_bytes)
        try:
            parser = MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]
            async for block in request.stream():
                parser.write(block)
            parser.finalize()
        except MultipartParseError as error:
            raise ProblemError(400, "invalid_input", "The form is broken.") from error
    if not form.is_ended:
        raise ProblemError(400, "invalid_input", "The form ends in the middle; send it again.")
    return form.taken


class _Form:
    """Takes a form's parts from the parser's calls: the first file to disk, fields to memory."""

    def __init__(self, path: Path, file: BinaryIO, maximum_bytes: int) -> None:
        self.taken = Intake()
        self.is_ended = False
        self._path = path
        self._file = file
        self._maximum_bytes = maximum_bytes
        self._fields_bytes = 0
        self._begin()

    def callbacks(self) -> dict[str, Callable[..., None]]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._take_header_name,
            "on_header_value": self._take_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._take_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._header_name = self._header_value = b""
        self._name: str | None = None
        self._is_file = False
        self._value = bytearray()

    def _take_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]
        self._check_header()

    def _take_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]
        self._check_header()

    def _check_header(self) -> None:
        if len(self._header_name) + len(self._header_value) > _LONGEST_HEADER or len(self._headers) > _MOST_FIELDS:
            raise ProblemError(400, "invalid_input", "A part of the form has too long a head.")

    def _end_header(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        file_name = options.get(b"filename")
        if file_name is not None and self.taken.file is None and self._name == "file":
            self._is_file = True
            self.taken.file = self._path
            self.taken.name = _clean_name(file_name.decode("utf-8", "replace"))
        if len(self.taken.fields) > _MOST_FIELDS:
            raise ProblemError(400, "invalid_input", "The form has too many fields.")

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self.taken.bytes += end - start
            if self.taken.bytes > self._maximum_bytes:
                raise _too_large(self._maximum_bytes)
            self._file.write(data[start:end])
            return
        self._fields_bytes += end - start
        if self._fields_bytes > FIELDS_BYTES:
            raise _too_large(FIELDS_BYTES)
        self._value += data[start:end]

    def _end_part(self) -> None:
        if not self._is_file and self._name:
            self.taken.fields[self._name] = self._value.decode("utf-8", "replace")
        if self._is_file and not self.taken.bytes and not self.taken.name:  # the file field of a form, left empty
            self.taken.file = None

    def _end(self) -> None:
        self.is_ended = True


def _clean_name(name: str) -> str:
    """Return a file's name for people: no folders, no control characters, not too long."""
    base = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(character for character in base if character.isprintable()).strip()
    return kept[-_LONGEST_NAME:]


def _too_large(maximum_bytes: int) -> ProblemError:
    size = f"{maximum_bytes / 2**20:.0f} MB" if maximum_bytes >= 1 << 20 else f"{maximum_bytes:,} bytes"
    return ProblemError(
        413, "too_large", f"That is larger than {size}, which is the limit here.", {"Connection": "close"}
    )
