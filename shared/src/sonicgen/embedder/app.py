"""The application: routes, errors, and the life of the models."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from sonicgen import __version__
from sonicgen.embedder import routes_files, routes_health, routes_identify, routes_pipeline
from sonicgen.embedder.answers import Problem, problem_response
from sonicgen.embedder.gate import BodyError, Gate
from sonicgen.embedder.house import House
from sonicgen.embedder.models import Loader
from sonicgen.embedder.problems import Code, RequestError, explained
from sonicgen.errors import SonicGenError
from sonicgen.log import setup_logging
from sonicgen.settings import Settings, settings

logger = logging.getLogger(__name__)

_FILE_FIELDS = {"file1", "file2", "audio", "embedding"}
_STATUSES = (400, 404, 409, 413, 415, 422, 429, 500, 503)


def create_app(given: Settings | None = None, loader: Loader | None = None) -> FastAPI:
    """Return the application; without a loader it runs the models that the settings name."""
    chosen = given or settings()
    house = House(chosen, loader or _loader(chosen))

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        setup_logging(chosen.log_level)
        house.open()
        yield
        await run_in_threadpool(house.close)

    app = FastAPI(
        title="SonicGen embedder",
        version=__version__,
        description="Who spoke when, and whose voice it is.",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        responses={status: {"model": Problem} for status in _STATUSES},
    )
    app.state.house = house
    for router in (routes_health.router, routes_files.router, routes_pipeline.router, routes_identify.router):
        app.include_router(router)
    app.add_exception_handler(SonicGenError, _explain)
    app.add_exception_handler(RequestValidationError, _explain_parameters)
    app.add_exception_handler(HTTPException, _explain_http)
    app.add_exception_handler(Exception, _explain)
    app.add_middleware(Gate, house=house)
    return app


def _loader(chosen: Settings) -> Loader:
    # Imported here: the encoders bring ONNX Runtime or torch along, which tests of the service need not load.
    from sonicgen.embedder.loading import make_loader

    return make_loader(chosen)


async def _explain(_: Request, error: Exception) -> JSONResponse:
    return problem_response(explained(error))


async def _explain_http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  (registered for it alone)
    if isinstance(error, BodyError):
        return problem_response(error.error)
    known = {404: Code.NOT_FOUND}
    found = problem_response(RequestError(known.get(error.status_code, Code.REFUSED), _sentence(error)))
    found.status_code = error.status_code
    return found


def _sentence(error: HTTPException) -> str:
    if error.status_code == 404:
        return "There is no such route; /openapi.json lists those that there are."
    if error.status_code == 405:
        return "This route takes another method; /openapi.json says which."
    if error.status_code == 400:
        return "The body cannot be read; send a form (multipart/form-data) or JSON, as /openapi.json says."
    return f"{error.detail}."


async def _explain_parameters(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    faults = [(".".join(str(part) for part in each["loc"][1:]), each["msg"], each["type"]) for each in error.errors()]
    missing = [
        name for name, _, kind in faults if kind == "missing" and name in {"file1", "file2", "audio", "embedding"}
    ]
    if missing:
        names = " and ".join(f"`{name}`" for name in missing)
        return problem_response(RequestError(Code.MISSING_FILE, f"There is no {names}; send it as a form field."))
    told = "; ".join(f"{name or 'the body'}: {message}" for name, message, _ in faults)
    return problem_response(RequestError(Code.INVALID_PARAMETER, f"Wrong parameter. {told}."))
