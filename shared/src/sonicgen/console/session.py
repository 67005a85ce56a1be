"""Signing in at a page: a key or token is kept by the browser in a cookie that no script can read."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from sonicgen.console.access import SESSION_COOKIE, Anyone, is_at_this_machine
from sonicgen.console.problems import ProblemError
from sonicgen.steps.services import services
from sonicgen.steps.who_asks import identify

router = APIRouter(tags=["session"])
# A key has its own end; the cookie is asked for again after a while all the same.
LIFE_SECONDS = 14 * 24 * 3600


class SignIn(BaseModel):
    """A key, or a person's token of Supabase Auth."""

    key: str = Field(min_length=8, max_length=8_000)


@router.get("/v1/session")
def show_session(caller: Anyone) -> dict[str, str]:
    """Who asks, and in which role."""
    return {"name": caller.name, "role": str(caller.role)}


@router.post("/v1/session")
def sign_in(body: SignIn, request: Request) -> Response:
    """Keep a key in a cookie of this browser."""
    known = identify(services(), body.key.strip())
    if known is None:
        raise ProblemError(401, "invalid_credentials", "The key or token is not valid, or not any more.")
    answer = JSONResponse({"name": known.name, "role": str(known.role)})
    answer.set_cookie(
        SESSION_COOKIE,
        body.key.strip(),
        max_age=LIFE_SECONDS,
        httponly=True,
        samesite="strict",
        # Only on the machine itself, where there is no encryption, would a browser not send it back.
        secure=not is_at_this_machine(request),
    )
    return answer


@router.delete("/v1/session", status_code=204)
def sign_out() -> Response:
    """Forget the key in this browser."""
    answer = Response(status_code=204)
    answer.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
    return answer
