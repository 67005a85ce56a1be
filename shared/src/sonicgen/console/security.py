"""What every answer carries and every request passes: headers that bind the browser, limits, no foreign pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders

from sonicgen.console.access import is_cross_site
from sonicgen.console.bodies import Body
from sonicgen.console.problems import MEDIA_TYPE, problem_body
from sonicgen.steps.services import services

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The one other site that a page may show, once somebody asks for it.
PLAYER = "https://www.youtube-nocookie.com"
# Where large files go, past the console.
STORAGE = "https://storage.googleapis.com"
# A request that is no upload: names, sentences, a fingerprint of an hour (160 kB).
SMALL_BODY_BYTES = 1 << 20
# These have limits of their own (console/intake.py).
_UPLOADS = frozenset({"/v1/find", "/v1/recordings", "/api/v1/identify"})
# Samples of a voice; more than an hour of sound teaches nothing new of it.
_LARGE_BODIES = {"/v1/speakers/enroll": 200 << 20}
_UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_HSTS = "max-age=31536000; includeSubDomains"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), microphone=(), geolocation=(), payment=(), usb=(), display-capture=(), "
        f'autoplay=(self "{PLAYER}"), fullscreen=(self "{PLAYER}")'
    ),
}


def content_security_policy(*, is_embedded: bool) -> str:
    """Return what a page may load: our own files, no inline script or style, and the player."""
    connect = "'self'" if is_embedded else f"'self' {STORAGE}"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data: blob:; "
        f"media-src 'self' blob:; connect-src {connect}; frame-src {PLAYER}; manifest-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


class Security:
    """ASGI middleware around the whole application; answers may stream through it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless another site's page sent it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        policy = content_security_policy(is_embedded=services().settings.is_embedded)
        body = Body(receive, _most_bytes(request.url.path), is_held_back="expect" in request.headers)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                await body.drain()
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", policy)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if _is_encrypted(request):
                    headers.setdefault("Strict-Transport-Security", _HSTS)
            await send(message)

        if request.method in _UNSAFE_METHODS and is_cross_site(request):
            detail = "A page of another site may not do this."
            problem = problem_body(403, "cross_site", "Not allowed", detail)
            await JSONResponse(problem, 403, media_type=MEDIA_TYPE)(scope, receive, send_with_headers)
            return
        await self._app(scope, body.receive, send_with_headers)


def _most_bytes(path: str) -> int | None:
    return None if path in _UPLOADS else _LARGE_BODIES.get(path, SMALL_BODY_BYTES)


def _is_encrypted(request: Request) -> bool:
    if request.url.scheme == "https":
        return True
    is_trusted = services().settings.trusted_proxies > 0
    return is_trusted and request.headers.get("x-forwarded-proto", "").split(",")[-1].strip() == "https"
