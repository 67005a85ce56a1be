"""Errors as answers: problem+json (RFC 9457) with stable codes for programs, a page for people."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from sonicgen.errors import SonicGenError
from sonicgen.steps.problems import problem_of

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
# So soon it is worth asking again, when nothing better is known.
RETRY_SECONDS = 5
_TITLES = {
    400: ("invalid_input", "Invalid input"),
    401: ("not_signed_in", "Not signed in"),
    403: ("not_allowed", "Not allowed"),
    404: ("not_found", "Not found"),
    405: ("method_not_allowed", "Method not allowed"),
    409: ("conflict", "Conflict"),
    412: ("changed_meanwhile", "Changed meanwhile"),
    413: ("too_large", "Too large"),
    415: ("unsupported_media_type", "Unsupported media type"),
    416: ("range_not_satisfiable", "Range not satisfiable"),
    422: ("invalid_input", "Invalid input"),
    428: ("precondition_required", "Precondition required"),
    429: ("too_many_requests", "Too many requests"),
    503: ("unavailable", "Unavailable"),
}


class ProblemError(Exception):
    """An answer that is no success: a status, a stable code and a sentence."""

    def __init__(self, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers = headers or {}


def problem_body(status: int, code: str, title: str, detail: str, **more: object) -> dict[str, Any]:
    """Return a problem; `error` is its sentence once more, under the name that older clients read."""
    about = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail}
    return {**about, "error": detail, **more}


def install(app: FastAPI) -> None:
    """Have every error answered as a problem."""
    app.add_exception_handler(SonicGenError, _explained)
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


async def _explained(request: Request, error: Exception) -> Response:
    assert isinstance(error, SonicGenError)  # noqa: S101 - what it is installed for
    problem = problem_of(error)
    headers = {"Retry-After": str(RETRY_SECONDS)} if problem["status"] == 503 else {}
    return _answer(request, {**problem, "type": "about:blank", "error": str(error)}, headers)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - what it is installed for
    title = _TITLES.get(error.status, (error.code, "Failed"))[1]
    return _answer(request, problem_body(error.status, error.code, title, str(error)), error.headers)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is installed for
    if isinstance(error.__cause__, ProblemError):  # FastAPI wraps what is raised while it reads a body
        return await _problem(request, error.__cause__)
    code, title = _TITLES.get(error.status_code, ("failed", "Failed"))
    detail = f"There is nothing at {request.url.path}." if error.status_code == 404 else str(error.detail)
    return _answer(request, problem_body(error.status_code, code, title, detail), dict(error.headers or {}))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is installed for
    # Without the input: it may be anything, a secret too.
    faults = [{"at": list(map(str, fault["loc"])), "message": fault["msg"]} for fault in error.errors()]
    first = f"{'.'.join(faults[0]['at'])}: {faults[0]['message']}." if faults else "The request is not as documented."
    return _answer(request, problem_body(422, "invalid_input", "Invalid input", first, errors=faults), {})


async def _unexpected(request: Request, error: Exception) -> Response:
    logger.error("A request failed: %s %s", request.method, request.url.path, exc_info=error)
    # What went wrong stands in the log alone: an exception's text may hold anything.
    detail = "Something went wrong here; the operator's log says what."
    # uvicorn ends the connection after such an answer; who is not told asks on it once more, and loses that request.
    return _answer(request, problem_body(500, "failed", "Failed", detail), {"Connection": "close"})


def _answer(request: Request, body: dict[str, Any], headers: dict[str, str]) -> Response:
    if not request.url.path.startswith(("/v1", "/api/", "/static", "/healthz")) and _is_person(request):
        from sonicgen.console.pages import problem_page

        return problem_page(request, body, headers)
    return JSONResponse(body, body["status"], headers, MEDIA_TYPE)


def _is_person(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")
