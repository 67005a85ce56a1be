"""The provider's callback: check it, put it on the bus, answer."""

from __future__ import annotations

import functions_framework
from flask import Request

from sonicgen.steps.services import WEBHOOK_HEADER, services
from sonicgen.steps.transcription_webhook import MAXIMUM_BODY_BYTES, Callback, prepare, transcription_webhook

prepare()


@functions_framework.http
def main(request: Request) -> tuple[str, int]:
    """Translate the request and run the step; its text and status are the answer."""
    body = request.stream.read(MAXIMUM_BODY_BYTES + 1)
    secret = request.headers.get(WEBHOOK_HEADER, "")
    return transcription_webhook(services(), Callback(request.method, secret, dict(request.args), body))
