"""What the provider's callback is answered: a wrong 4xx would make it give up for ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from sonicgen.cloud import bus
from sonicgen.events.transcript_completed import TranscriptCompleted
from sonicgen.steps.services import Services
from sonicgen.steps.transcription_webhook import MAXIMUM_BODY_BYTES, Callback, transcription_webhook
from tests.cloud_fixture import Listener

SECRET = "a secret of ours that is long"
KEY = str(uuid4())


@pytest.fixture
def completed(make_services: Callable[..., Services]) -> Iterator[Listener]:
    """The events `transcript.completed` of a test."""
    listener = Listener("transcript-completed")
    yield listener
    listener.close()


def call(
    services: Services,
    body: object = None,
    *,
    secret: str = SECRET,
    key: str | None = None,
    method: str = "POST",
    raw: bytes | None = None,
) -> int:
    """Return the status that a callback is answered with."""
    query = {} if key is None else {"submission": key}
    data = json.dumps(body).encode() if raw is None else raw
    return asyncio.run(transcription_webhook(services, Callback(method, secret, query, data)))[1]


def test_a_callback_goes_onto_the_bus(services: Services, completed: Listener) -> None:
    job = str(uuid4())
    said = {"transcript_id": job, "status": "completed"}
    assert [call(services, said, key=KEY) for _ in range(3)] == [204] * 3
    told = [event for event in completed.take() if event["provider_id"] == job]
    assert len(told) == 3
    assert len({event.pop("ce-id") for event in told}) == 1, "repetitions are the same event"
    assert told[0] == {"provider_id": job, "submit_key": KEY, "status": "completed"}


def test_a_wrong_secret_is_refused(services: Services, completed: Listener) -> None:
    for secret in ("", "wrong", SECRET + "x", "ü" * 20, "\udcff"):
        assert call(services, {"transcript_id": "wrong", "status": "completed"}, secret=secret) == 401
    assert [event for event in completed.take(0.2) if event["provider_id"] == "wrong"] == []


def test_a_broken_body_is_no_loss_while_the_address_names_the_submission(services: Services) -> None:
    bodies = (b"", b"{", b"[]", b"7", b'{"transcript_id": 5}', b'{"transcript_id": ""}', b"\xff")
    for raw in (*bodies, b"x" * MAXIMUM_BODY_BYTES * 2):
        assert call(services, raw=raw) == 400
        assert call(services, raw=raw, key="no key") == 400
        assert call(services, raw=raw, key=KEY) == 204


def test_unknown_jobs_and_states_are_taken(services: Services) -> None:
    assert call(services, {"transcript_id": str(uuid4()), "status": "something new"}) == 204


def test_only_posts(services: Services) -> None:
    assert call(services, method="GET") == 405


def test_without_a_secret_it_is_to_come_again(make_services: Callable[..., Services]) -> None:
    assert call(make_services(webhook_secret=None), {"transcript_id": "x"}) == 503


def test_when_the_bus_is_down_it_is_to_come_again(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    bus.close()
    monkeypatch.setattr(bus, "CALL_SECONDS", 0.5)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:9")
    assert call(services, {"transcript_id": "x", "status": "completed"}) == 503


def test_the_event_survives_its_way() -> None:
    from datetime import UTC, datetime
    from uuid import UUID

    event = TranscriptCompleted(datetime.now(UTC), "job", UUID(KEY), "completed")
    assert TranscriptCompleted.from_data(event.data, event.time) == event
