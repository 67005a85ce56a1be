"""AssemblyAI's HTTP interface (https://www.assemblyai.com/docs/api-reference) and the stand-in's own levers."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import anyio
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sonicgen.errors import InputError
from sonicgen.local.assemblyai import exports
from sonicgen.local.assemblyai.answers import from_given, item_json, transcript_json
from sonicgen.local.assemblyai.faults import add_fault, list_faults, take_fault
from sonicgen.local.assemblyai.service import Service

Handler = Callable[[Request], Awaitable[Response]]

_DEFAULT_PAGE, _LARGEST_PAGE = 10, 200
_UNKNOWN = "Transcript lookup error, transcript id not found"


def make_app(service: Service) -> Starlette:
    """Return the application that serves `service`."""
    app = Starlette(
        routes=[
            Route("/v2/upload", _call("upload", _upload), methods=["POST"]),
            Route("/v2/transcript", _call("submit", _submit), methods=["POST"]),
            Route("/v2/transcript", _call("list", _list), methods=["GET"]),
            Route("/v2/transcript/{id}", _call("get", _get), methods=["GET"]),
            Route("/v2/transcript/{id}", _call("delete", _delete), methods=["DELETE"]),
            Route("/v2/transcript/{id}/{form}", _call("get", _export), methods=["GET"]),
            Route("/_faults", _faults, methods=["GET", "POST", "DELETE"]),
            Route("/_answers", _answers, methods=["POST", "DELETE"]),
        ],
        exception_handlers={InputError: _answer_input, ClientDisconnect: _answer_nobody},
    )
    app.state.service = service
    return app


def _call(place: str, handler: Handler) -> Handler:
    """Wrap a call of the interface: the key is checked, and what was told to go wrong does."""

    @wraps(handler)
    async def answer(request: Request) -> Response:
        service = _service(request)
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not secrets.compare_digest(given.encode(), service.options.key.encode()):
            return _refusal(401, "Authentication error, API token missing/invalid")
        fault = take_fault(service.database, place)
        if fault.get("delay_seconds"):
            await anyio.sleep(float(fault["delay_seconds"]))
        done = await handler(request) if fault.get("after") else None
        return _failure(fault) or done or await handler(request)

    return answer


def _failure(fault: dict[str, Any]) -> Response | None:
    if fault.get("exit"):
        os._exit(70)
    if fault.get("drop"):
        return _Dropped()
    if "status" not in fault:
        return None
    status = int(fault["status"])
    response = _refusal(status, "Too many requests" if status == 429 else "Internal server error, told to fail")
    if "retry_after" in fault:
        response.headers["retry-after"] = str(fault["retry_after"])
    return response


class _Dropped(Response):
    """An answer that never arrives: the connection ends before its body."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Promise a body and send none."""
        headers = [(b"content-length", b"1000"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _upload(request: Request) -> Response:
    upload_id = await _service(request).keep_upload(request.stream())
    if upload_id is None:
        return _refusal(422, "Upload failed, the body is empty")
    return JSONResponse({"upload_url": f"{_base_url(request)}/upload/{upload_id}"})


async def _submit(request: Request) -> Response:
    try:
        order = json.loads(await request.body())
    except ValueError:
        return _refusal(400, "Invalid JSON in the request's body")
    if not isinstance(order, dict):
        return _refusal(400, "The request's body has to be a JSON object")
    for name in ("audio_url", "webhook_url"):
        url = order.get(name)
        if (url is None and name == "audio_url") or (url is not None and not _is_url(url)):
            return _refusal(400, f'"{name}" should be a URL')
    if (order.get("webhook_auth_header_name") is None) != (order.get("webhook_auth_header_value") is None):
        return _refusal(400, "webhook_auth_header_name and webhook_auth_header_value have to be set together")
    service = _service(request)
    now, transcript_id = time.time(), str(uuid4())
    url = str(order["audio_url"])
    service.database.run(
        "insert_transcript", id=transcript_id, audio_url=url, request=json.dumps(order), due_at=now, now=now
    )
    answer = transcript_json(_found(request, transcript_id))
    service.ring_jobs()
    return JSONResponse(answer)


async def _get(request: Request) -> Response:
    return JSONResponse(transcript_json(_found(request)))


async def _list(request: Request) -> Response:
    query = request.query_params
    try:
        limit = int(query.get("limit", _DEFAULT_PAGE))
    except ValueError:
        limit = 0
    if not 1 <= limit <= _LARGEST_PAGE:
        return _refusal(400, f'"limit" must be between 1 and {_LARGEST_PAGE}')
    filters = {name: query.get(name) for name in ("before_id", "after_id", "status", "created_on")}
    database = _service(request).database
    rows = database.all("list_transcripts", most=limit, **filters)
    base = _base_url(request)

    def page(**place: str) -> str:
        return f"{base}/v2/transcript?{urlencode({'limit': limit, **place})}"

    older = rows and database.one("has_older", id=rows[-1]["id"])
    newer = rows and database.one("has_newer", id=rows[0]["id"])
    details = {
        "limit": limit,
        "result_count": len(rows),
        "current_url": f"{base}/v2/transcript?{urlencode(list(query.items()))}",
        "prev_url": page(before_id=rows[-1]["id"]) if older else None,
        "next_url": page(after_id=rows[0]["id"]) if newer else None,
    }
    return JSONResponse({"page_details": details, "transcripts": [item_json(row, base) for row in rows]})


async def _delete(request: Request) -> Response:
    row = _found(request)
    gone = {"text": "Deleted by user.", "words": None, "utterances": None, "confidence": None}
    _service(request).database.run("forget_transcript", id=row["id"], result=json.dumps(gone), now=time.time())
    _service(request).drop_upload(row["audio_url"])
    return JSONResponse(transcript_json(_found(request)))


async def _export(request: Request) -> Response:
    row = _found(request)
    if row["status"] != "completed":
        return _refusal(400, "This transcript has a status that is not completed; it cannot be exported")
    return exports.answer(str(request.path_params["form"]), transcript_json(row), request.query_params)


async def _faults(request: Request) -> Response:
    database = _service(request).database
    if request.method == "DELETE":
        database.run("delete_faults")
    elif request.method == "POST":
        body = await request.json()
        for order in body if isinstance(body, list) else [body]:
            add_fault(database, order)
    return JSONResponse(list_faults(database))


async def _answers(request: Request) -> Response:
    database = _service(request).database
    if request.method == "DELETE":
        database.run("delete_answers")
        return JSONResponse({})
    body = await request.json()
    try:
        for name, answer in body.items():
            from_given(answer)
            database.run("put_answer", sha256=str(name), answer=json.dumps(answer))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"An answer is {{sha256 or default: {{utterances: […]}}}}: {error!r}.") from error
    return JSONResponse({})


def _found(request: Request, transcript_id: str | None = None) -> sqlite3.Row:
    row = _service(request).database.one("find_transcript", id=transcript_id or str(request.path_params["id"]))
    if row is None:
        raise InputError(_UNKNOWN)
    return row


def _service(request: Request) -> Service:
    service = request.app.state.service
    assert isinstance(service, Service)  # noqa: S101  # make_app puts it there
    return service


def _base_url(request: Request) -> str:
    return f"http://{request.headers.get('host', '127.0.0.1')}"


def _is_url(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://")) and len(value) > len("https://")


def _refusal(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)


async def _answer_input(_: Request, error: Exception) -> Response:
    return _refusal(400, str(error))


async def _answer_nobody(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # the client is gone
