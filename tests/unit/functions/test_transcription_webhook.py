"""The webhook's entry in the real framework, given what AssemblyAI sends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import functions_framework
import httpx
import pytest
from functions_framework import _function_registry

from sonicgen.settings import REPOSITORY, settings
from sonicgen.steps.services import WEBHOOK_HEADER, Services, services
from tests.cloud_fixture import Listener

CALLBACK = json.loads((Path(__file__).parents[2] / "events" / "assemblyai_callback.json").read_text())


@pytest.fixture
def post(make_services: Callable[..., Services], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """Send a callback with changed headers; return the status."""
    monkeypatch.setenv("SONICGEN_WEBHOOK_SECRET", CALLBACK["headers"][WEBHOOK_HEADER.lower()])
    settings.cache_clear()
    services.cache_clear()
    source = REPOSITORY / "functions" / "transcription_webhook" / "main.py"
    # The framework remembers by its name alone that a function is a coroutine, and all of ours have the same.
    monkeypatch.setattr(_function_registry, "ASGI_FUNCTIONS", set())
    transport = httpx.ASGITransport(functions_framework.create_app("main", str(source)))

    async def ask(method: str, headers: dict[str, str]) -> int:
        async with httpx.AsyncClient(transport=transport, base_url="http://function.test") as client:
            content = json.dumps(CALLBACK["body"])
            return (await client.request(method, CALLBACK["path"], headers=headers, content=content)).status_code

    def send(method: str = "POST", **headers: str) -> int:
        given: dict[str, Any] = {
            **CALLBACK["headers"],
            **{name.replace("_", "-"): text for name, text in headers.items()},
        }
        return asyncio.run(ask(method, given))

    yield send
    settings.cache_clear()
    services.cache_clear()


def test_what_assemblyai_sends_is_taken(post: Callable[..., int]) -> None:
    listener = Listener("transcript-completed")
    try:
        assert post() == 204
        (told,) = [event for event in listener.take() if event["provider_id"] == CALLBACK["body"]["transcript_id"]]
    finally:
        listener.close()
    assert told["submit_key"] == CALLBACK["path"].partition("=")[2]
    assert post(x_sonicgen_webhook_secret="wrong") == 401
    assert post("GET") == 405
