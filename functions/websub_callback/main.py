"""A hub asks whether a subscription is wanted, or pushes what is new in a channel or feed."""

from __future__ import annotations

import functions_framework
from flask import Request

from sonicgen.steps.channel_ingest import prepare
from sonicgen.steps.services import services
from sonicgen.steps.websub import MAXIMUM_PUSH_BYTES, answer_hub

prepare()


@functions_framework.http
def main(request: Request) -> tuple[str, int, dict[str, str]]:
    """Translate the request and run the step."""
    body = request.stream.read(MAXIMUM_PUSH_BYTES + 1)
    signature = request.headers.get("X-Hub-Signature")
    text, status = answer_hub(services(), request.method, request.path, request.args, body, signature)
    return text, status, {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
