"""The console: the HTTP API under /v1 and the pages, one application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.openapi.utils import get_openapi

from sonicgen import __version__
from sonicgen.console import (
    costs,
    find,
    forms,
    jobs,
    matches,
    older,
    originals,
    pages,
    problems,
    recordings,
    search,
    session,
    speakers,
    status,
    transcripts,
    uploads,
    voice_biometrics,
    webhooks,
)
from sonicgen.console.files import STATIC
from sonicgen.console.finder import Finder
from sonicgen.console.security import Security
from sonicgen.log import setup_logging
from sonicgen.settings import settings
from sonicgen.steps.services import services
from sonicgen.steps.tell_webhooks import Teller

_ROUTERS = (
    find.router,
    jobs.router,
    recordings.router,
    originals.router,
    matches.router,
    transcripts.router,
    search.router,
    speakers.router,
    costs.router,
    status.router,
    uploads.router,
    webhooks.router,
    older.router,
    voice_biometrics.router,
    session.router,
)
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "The request cannot be answered as it is.",
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    },
    "5XX": {
        "description": "Not now: try again.",
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    },
}


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    setup_logging(settings().log_level)
    app.state.finder = Finder(services())
    app.state.finder.start()
    app.state.teller = Teller(services())
    app.state.teller.start()
    yield
    app.state.teller.close()
    await run_in_threadpool(app.state.finder.close)
    await run_in_threadpool(services().close)


def create_app() -> FastAPI:
    """Return the application."""
    app = FastAPI(
        title="SonicGen",
        version=__version__,
        description="Where a recording comes from, to the second, who speaks in it, and what that cost and saved.",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    problems.install(app)
    for router in _ROUTERS:
        app.include_router(router, responses=_PROBLEMS)
    app.include_router(pages.router, include_in_schema=False)
    app.mount("/static", STATIC, name="static")
    app.add_middleware(Security)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with the forms of what is read by hand and so not known from the routes."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            openapi_version="3.1.0",
        )
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        for form in (forms.Problem, forms.FindForm, forms.FindRequest):
            described = form.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= described.pop("$defs", {})
            schemas[form.__name__] = described
        app.openapi_schema = made
    return app.openapi_schema
