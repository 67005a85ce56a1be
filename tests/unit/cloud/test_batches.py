"""What comes at the same time is published together, and each is told how it went."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from sonicgen.cloud import batches
from sonicgen.cloud.batches import publish_soon
from sonicgen.cloud.bus import Event
from sonicgen.errors import NotFoundError, SonicGenError, UnavailableError
from sonicgen.events.transcript_completed import TranscriptCompleted

COUNT = 200


class Bus:
    """Stands where `publish_events` does: notes each request, and fails as it is told."""

    def __init__(self, failures: Sequence[Exception | None] = ()) -> None:
        self.requests: list[int] = []
        self._failures = list(failures)
        self.may_answer = threading.Event()
        self.may_answer.set()

    def publish(self, _topic: str, events: Sequence[Event]) -> list[str]:
        assert self.may_answer.wait(10)
        self.requests.append(len(events))
        failure = self._failures.pop(0) if self._failures else None
        if failure is not None:
            raise failure
        return [event.id for event in events]


def event() -> Event:
    return TranscriptCompleted(datetime.now(UTC), str(uuid4()))


async def burst(topic: str = "a-topic") -> list[BaseException | None]:
    return await asyncio.gather(*(publish_soon(topic, event()) for _ in range(COUNT)), return_exceptions=True)


def use(monkeypatch: pytest.MonkeyPatch, bus: Bus) -> None:
    monkeypatch.setattr(batches, "publish_events", bus.publish)


def test_many_go_in_few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Bus()
    use(monkeypatch, bus)
    assert asyncio.run(burst()) == [None] * COUNT
    assert sum(bus.requests) == COUNT
    assert len(bus.requests) <= 3


def test_none_is_told_that_it_is_safe_before_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Bus()
    use(monkeypatch, bus)
    bus.may_answer.clear()

    async def early() -> None:
        told = asyncio.create_task(publish_soon("a-topic", event()))
        await asyncio.sleep(0.05)
        assert not told.done()
        bus.may_answer.set()
        await told

    asyncio.run(early())


def test_a_failure_reaches_those_whom_it_concerns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next burst is published: whatever a client raises ends a request, not the work."""
    bus = Bus([NotFoundError("no such topic"), RuntimeError("unforeseen")])
    use(monkeypatch, bus)

    async def three() -> list[BaseException | None]:
        told: list[BaseException | None] = []
        for _ in range(3):
            told += await asyncio.gather(publish_soon("a-topic", event()), return_exceptions=True)
        return told

    told = asyncio.run(three())
    assert [type(each) for each in told] == [NotFoundError, UnavailableError, type(None)]


def test_who_waits_too_long_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = Bus()
    use(monkeypatch, bus)
    monkeypatch.setattr(batches, "CALL_SECONDS", -0.9)
    bus.may_answer.clear()

    async def late() -> None:
        with pytest.raises(SonicGenError):
            await publish_soon("a-topic", event())
        bus.may_answer.set()
        monkeypatch.setattr(batches, "CALL_SECONDS", 5)
        await publish_soon("a-topic", event())

    asyncio.run(late())
    assert sum(bus.requests) == 2
