"""Requests that bring bytes: media, multipart and resumable uploads.

Specification: https://cloud.google.com/storage/docs/uploads-downloads#uploads
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import Message
from urllib.parse import quote

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sonicgen.local.storage.intake import MultipartRelated, finish, take_in
from sonicgen.local.storage.objects import read_draft
from sonicgen.local.storage.preconditions import Conditions
from sonicgen.local.storage.problems import invalid
from sonicgen.local.storage.resources import Draft, read_json
from sonicgen.local.storage.service import base_url, path_name, service
from sonicgen.local.storage.uploads import ContentRange


async def upload_object(request: Request) -> Response:
    """Answer objects.insert, or begin or go on with a resumable upload."""
    kind = request.query_params.get("uploadType")
    if "upload_id" in request.query_params:
        return await _resume(request)
    if kind == "resumable":
        return await _begin(request)
    if kind == "multipart":
        return await _upload_multipart(request)
    if kind == "media":
        draft = _draft(request, b"", request.headers.get("content-type"))
        return await _upload(request, draft, request.stream())
    raise invalid(f"Invalid upload type: '{kind}'; it must be media, multipart or resumable.")


async def _upload_multipart(request: Request) -> Response:
    parser = Message()
    parser["content-type"] = request.headers.get("content-type", "")
    boundary = parser.get_boundary()
    if parser.get_content_type() != "multipart/related" or not boundary:
        raise invalid("A multipart upload needs the content type multipart/related with a boundary.")
    body = MultipartRelated(request.stream(), boundary)
    resource = await body.head()
    return await _upload(request, _draft(request, resource, body.media_type), body.media())


async def _upload(request: Request, draft: Draft, stream: AsyncIterator[bytes]) -> Response:
    conditions = Conditions.read(request.query_params, request.headers)
    objects, files, base = service(request).objects, service(request).files, base_url(request)
    await run_sync(objects.check_place, draft, conditions)
    file, digest = await take_in(stream, files)

    def commit() -> Response:
        try:
            row = objects.put(draft, files.complete(file, digest), conditions, base)
        except BaseException:
            files.discard(file)
            raise
        return JSONResponse(row.resource(base), headers={"etag": row.etag})

    return await finish(commit)


async def _begin(request: Request) -> Response:
    media_type = request.headers.get("x-upload-content-type")
    draft = _draft(request, await request.body(), media_type)
    conditions = Conditions.read(request.query_params, request.headers)
    upload = await run_sync(service(request).uploads.begin, draft, conditions)
    path = f"/upload/storage/v1/b/{draft.bucket}/o?uploadType=resumable&name={quote(draft.name, safe='')}"
    location = f"{base_url(request)}{path}&upload_id={upload}"
    return Response(status_code=200, headers={"location": location, "x-guploader-uploadid": upload})


async def _resume(request: Request) -> Response:
    place = ContentRange.read(request.headers.get("content-range"))
    upload = request.query_params["upload_id"]
    promised = _with_header_hashes(request, Draft("", "", {}))
    progress = await service(request).uploads.receive(upload, place, request.stream(), promised, base_url(request))
    if progress.resource is not None:
        return JSONResponse(progress.resource)
    headers = {"x-guploader-uploadid": upload}
    if progress.size_bytes:
        headers["range"] = f"bytes=0-{progress.size_bytes - 1}"
    return Response(status_code=308, headers=headers)


async def cancel_upload(request: Request) -> Response:
    """Answer the end of a resumable upload by its client."""
    await service(request).uploads.cancel(request.query_params.get("upload_id", ""))
    return Response(status_code=499)  # what Cloud Storage answers


def _draft(request: Request, resource: bytes, media_type: str | None) -> Draft:
    draft = read_draft(path_name(request, "bucket"), request.query_params.get("name"), read_json(resource))
    if media_type and "contentType" not in draft.fields:
        draft = replace(draft, fields={**draft.fields, "contentType": media_type})
    encoding = request.query_params.get("contentEncoding")
    if encoding and "contentEncoding" not in draft.fields:
        draft = replace(draft, fields={**draft.fields, "contentEncoding": encoding})
    return _with_header_hashes(request, draft)


def _with_header_hashes(request: Request, draft: Draft) -> Draft:
    """Return a draft with the hashes of the X-Goog-Hash header where it has none of its own."""
    hashes: dict[str, str] = {}
    for piece in ",".join(request.headers.getlist("x-goog-hash")).split(","):
        name, _, value = piece.strip().partition("=")
        hashes[name] = value
    return replace(draft, md5=draft.md5 or hashes.get("md5"), crc32c=draft.crc32c or hashes.get("crc32c"))


_UPLOADS = "/upload/storage/v1/b/{bucket}/o"

ROUTES = [
    Route(_UPLOADS, upload_object, methods=["POST", "PUT"]),
    Route(_UPLOADS, cancel_upload, methods=["DELETE"]),
]
