"""Requests that are made twice and answered once: the header Idempotency-Key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Header
from fastapi.responses import JSONResponse, Response

from sonicgen.console.access import Caller
from sonicgen.console.problems import ProblemError
from sonicgen.steps.services import services
from sonicgen.store import idempotency

IdempotencyKey = Annotated[
    str | None,
    Header(
        max_length=200, description="The same key again within a day is answered the same, and nothing is done anew."
    ),
]


def answer_once(
    caller: Caller,
    key: str | None,
    what: tuple[object, ...],
    work: Callable[[], dict[str, Any]],
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    """Do `work` and answer with what it returns; with a key that was used before, answer as then.

    `what` is the request: the same key with another one is refused (422). A request that failed frees its key.
    """
    if key is None:
        return JSONResponse(work(), status, headers)
    database = services().database
    digest = hashlib.sha256(json.dumps(what, default=str).encode()).digest()
    earlier = idempotency.begin(database, caller.owner, key, digest)
    if earlier is not None:
        if not earlier.is_same_request:
            raise ProblemError(422, "idempotency_key_reused", "This Idempotency-Key was used for another request.")
        if earlier.status is None:
            raise ProblemError(409, "in_progress", "The same request is at work; ask again.", {"Retry-After": "2"})
        return JSONResponse(earlier.body, earlier.status, {"Idempotency-Replayed": "true"})
    try:
        body = work()
    except BaseException:
        idempotency.give_up(database, caller.owner, key)
        raise
    idempotency.end(database, caller.owner, key, status, body)
    return JSONResponse(body, status, headers)
