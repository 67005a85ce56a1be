"""The provider's callback: check it, put it on the bus, answer."""

from __future__ import annotations

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from sonicgen.steps.services import WEBHOOK_HEADER, services
from sonicgen.steps.transcription_webhook import Callback, prepare, read_body, transcription_webhook

prepare()


@functions_framework.aio.http
async def main(request: Request) -> Response:
    """Translate the request and run the step; its text and status are the answer."""
    body = await read_body(request.stream())
    secret = request.headers.get(WEBHOOK_HEADER, "")
    text, status = await transcription_webhook(
        services(), Callback(request.method, secret, dict(request.query_params), body)
    )
    return Response(text, status)
