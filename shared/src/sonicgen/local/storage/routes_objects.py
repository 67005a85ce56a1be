"""Requests about objects that are there already."""

from __future__ import annotations

from functools import partial

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sonicgen.local.storage.downloads import ObjectResponse, Span
from sonicgen.local.storage.listing import Query
from sonicgen.local.storage.listing import list_objects as list_page
from sonicgen.local.storage.objects import Place, read_draft
from sonicgen.local.storage.preconditions import Conditions, read_integer
from sonicgen.local.storage.problems import invalid
from sonicgen.local.storage.resources import Json, ObjectRow, read_json
from sonicgen.local.storage.routes_buckets import page_size
from sonicgen.local.storage.service import base_url, path_name, place, service


async def list_objects(request: Request) -> Response:
    """Answer objects.list."""
    sent = request.query_params
    query = Query(
        bucket=path_name(request, "bucket"),
        prefix=sent.get("prefix", ""),
        delimiter=sent.get("delimiter", ""),
        most=page_size(request),
        token=sent.get("pageToken"),
        start=sent.get("startOffset", ""),
        end=sent.get("endOffset"),
        folders_as_objects=sent.get("includeTrailingDelimiter") == "true",
    )
    return JSONResponse(await run_sync(list_page, service(request).database, query, base_url(request)))


async def get_object(request: Request) -> Response:
    """Answer objects.get, with the bytes when they are asked for."""
    if request.query_params.get("alt") == "media" or request.url.path.startswith("/download/"):
        return await _download(request)
    row = await run_sync(service(request).objects.get, place(request))
    return JSONResponse(row.resource(base_url(request)), headers={"etag": row.etag})


async def _download(request: Request) -> Response:
    row, handle = await run_sync(service(request).objects.open, place(request))
    try:
        span = Span.read(request.headers.get("range"), row.body.size_bytes)
        return ObjectResponse(row, handle, span)
    except BaseException:
        handle.close()
        raise


async def update_object(request: Request) -> Response:
    """Answer objects.patch and objects.update."""
    sent = read_json(await request.body())
    update = partial(service(request).objects.update, whole=request.method == "PUT")
    row = await run_sync(update, place(request), sent, base_url(request))
    return JSONResponse(row.resource(base_url(request)))


async def delete_object(request: Request) -> Response:
    """Answer objects.delete."""
    await run_sync(service(request).objects.delete, place(request), base_url(request))
    return Response(status_code=204)


async def copy_object(request: Request) -> Response:
    """Answer objects.copy."""
    return JSONResponse((await _copy(request)).resource(base_url(request)))


async def rewrite_object(request: Request) -> Response:
    """Answer objects.rewrite; always done at once, as no byte needs to be copied."""
    row = await _copy(request)
    size = str(row.body.size_bytes)
    resource = row.resource(base_url(request))
    answer = {"kind": "storage#rewriteResponse", "totalBytesRewritten": size, "objectSize": size, "done": True}
    return JSONResponse(answer | {"resource": resource})


async def _copy(request: Request) -> ObjectRow:
    query = request.query_params
    source = Place(
        path_name(request, "bucket"),
        path_name(request, "name"),
        read_integer(query, "sourceGeneration"),
        Conditions.read(query, prefix="ifSource"),
    )
    draft = read_draft(path_name(request, "to_bucket"), path_name(request, "to_name"), read_json(await request.body()))
    return await run_sync(service(request).objects.copy, source, draft, Conditions.read(query), base_url(request))


async def compose_object(request: Request) -> Response:
    """Answer objects.compose."""
    bucket, sent = path_name(request, "bucket"), read_json(await request.body())
    items = sent.get("sourceObjects")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise invalid("The sourceObjects must be a list of objects.")
    sources = [_read_source(bucket, item) for item in items]
    draft = read_draft(bucket, path_name(request, "name"), sent.get("destination") or {})
    conditions = Conditions.read(request.query_params)
    row = await run_sync(service(request).objects.compose, sources, draft, conditions, base_url(request))
    return JSONResponse(row.resource(base_url(request)))


def _read_source(bucket: str, item: Json) -> Place:
    wanted = {name: str(value) for name, value in (item.get("objectPreconditions") or {}).items() if value is not None}
    generation = read_integer({"generation": str(item["generation"])} if item.get("generation") else {}, "generation")
    return Place(bucket, str(item.get("name") or ""), generation, Conditions.read(wanted))


_OBJECTS = "/storage/v1/b/{bucket}/o"
_OBJECT = f"{_OBJECTS}/{{name}}"
_TO = "b/{to_bucket}/o/{to_name}"

ROUTES = [
    Route(_OBJECTS, list_objects, methods=["GET"]),
    Route(_OBJECT, get_object, methods=["GET"]),
    Route(f"/download{_OBJECT}", get_object, methods=["GET"]),
    Route(_OBJECT, update_object, methods=["PATCH", "PUT"]),
    Route(_OBJECT, delete_object, methods=["DELETE"]),
    Route(f"{_OBJECT}/compose", compose_object, methods=["POST"]),
    Route(f"{_OBJECT}/copyTo/{_TO}", copy_object, methods=["POST"]),
    Route(f"{_OBJECT}/rewriteTo/{_TO}", rewrite_object, methods=["POST"]),
]
