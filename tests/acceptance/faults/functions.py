"""The functions of the pipeline as the framework serves them, called without a network in between."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import functions_framework
import httpx
from functions_framework import _function_registry

from sonicgen.settings import REPOSITORY
from sonicgen.steps.services import WEBHOOK_HEADER

FUNCTIONS = {
    "media-objects": ("fingerprint_match",),
    "recording-fingerprinted": ("transcription_submit",),
    "transcript-completed": ("transcript_fetch",),
    "transcript-ready": ("transcript_inherit",),
}
# As in the cloud: a message that failed this often is given up.
MOST_DELIVERIES = 10


class Functions:
    """The functions of the pipeline as the framework serves them, without the network in between."""

    def __init__(self) -> None:
        self.refusals: deque[str] = deque(maxlen=MOST_DELIVERIES)  # the last ones, for whoever asks why
        names = {name for those in FUNCTIONS.values() for name in those}
        self._clients = {name: _load(name).test_client() for name in names}
        # The framework remembers by its name alone that a function is a coroutine, and all of ours have the same.
        known = set(_function_registry.ASGI_FUNCTIONS)
        self._webhook = httpx.ASGITransport(_load("transcription_webhook"), raise_app_exceptions=False)
        _function_registry.ASGI_FUNCTIONS.clear()
        _function_registry.ASGI_FUNCTIONS.update(known)

    def deliver(self, function: str, headers: dict[str, str], body: bytes) -> int:
        """Push to a function; return the status of its answer."""
        answer = self._clients[function].post("/", headers=headers, data=body)
        if answer.status_code >= 300:
            self.refusals.append(f"{function}: {answer.status_code} {answer.text[:200]}")
        return int(answer.status_code)

    def call_back(self, address: str, secret: str, body: bytes) -> int:
        """Call the webhook as the provider does; return the status of its answer."""
        headers = [(WEBHOOK_HEADER.encode(), secret.encode()), (b"content-type", b"application/json")]

        async def call() -> int:
            async with httpx.AsyncClient(transport=self._webhook) as client:
                return (await client.post(address, headers=headers, content=body)).status_code

        return asyncio.run(call())


def _load(name: str) -> Any:
    return functions_framework.create_app("main", str(REPOSITORY / "functions" / name / "main.py"))
