"""What a bus may do to messages, and what strangers may put onto it."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sonicgen.cloud.bus import publish_message
from sonicgen.cloud.objects import StoredObject, delete_object, list_objects
from sonicgen.domain.recording import Reason
from sonicgen.steps.forget_recording import forget_recording
from tests.acceptance.faults.conftest import ROUNDS
from tests.acceptance.faults.functions import FUNCTIONS
from tests.acceptance.faults.world import Whims, World, all_recordings, check, check_consistency

WHIMS: dict[str, dict[str, object]] = {
    "lost, then delivered again": {"lost": 1.0},
    "twice": {"twice": 1.0},
    "out of order": {"shuffled": True},
    "late": {"late": 1.0},
    "all of it at once": {"lost": 0.4, "twice": 0.4, "late": 0.4, "shuffled": True},
}


@pytest.mark.parametrize("kind", WHIMS)
def test_messages_come_as_they_may(world: World, pieces: Callable[..., Path], kind: str) -> None:
    for attempt in range(ROUNDS):
        world.whims = Whims(random.Random(attempt), **WHIMS[kind])  # type: ignore[arg-type]  # noqa: S311
        added = {world.add(path): path for path in (pieces(1200 + 3 * attempt + n) for n in range(3))}
        world.run()
        check(world, added)
        for recording in all_recordings(world):
            forget_recording(world.services, recording)
        world.provider.jobs.clear()


def test_the_same_message_at_the_same_moment(world: World, pieces: Callable[..., Path]) -> None:
    path = pieces(1)
    added = {world.add(path): path}
    while not world.pending:
        world.pending += world.bus.take()
    (first,) = world.pending
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: world.deliver(first.function, first.headers, first.body), range(8)))
    assert codes.count(200) >= 1
    world.run()
    check(world, added)
    assert world.get(next(iter(added))).attempts == 1


def test_a_message_that_comes_after_its_recording_was_forgotten(world: World, pieces: Callable[..., Path]) -> None:
    path = pieces(1)
    identifier = world.add(path)
    while not world.pending:
        world.pending += world.bus.take()
    late = list(world.pending)
    world.run()
    forget_recording(world.services, world.get(identifier))
    world.pending += late
    world.run()
    assert all_recordings(world) == [], "done work is known to be done, also when there is nothing of it any more"
    check_consistency(world)


def test_a_message_that_is_delivered_for_the_first_time_after_its_object_is_gone(
    world: World, pieces: Callable[..., Path]
) -> None:
    identifier = world.add(pieces(1))
    while not world.pending:
        world.pending += world.bus.take()
    (stored,) = _inbox(world)
    delete_object(stored.bucket, stored.name)
    world.run()
    assert world.get(identifier).reason is Reason.OBJECT_GONE
    assert not world.provider.jobs


def _inbox(world: World) -> list[StoredObject]:
    return list(list_objects(world.services.settings.inbox_bucket))


GARBAGE: dict[str, tuple[bytes, dict[str, str]]] = {
    "nothing at all": (b"x", {}),
    "no JSON": (b"\xff\xfe{", {"eventType": "OBJECT_FINALIZE"}),
    "a list": (b"[]", {"eventType": "OBJECT_FINALIZE"}),
    "no size": (b'{"bucket": "b", "name": "n", "generation": "1"}', {"eventType": "OBJECT_FINALIZE"}),
    "a number that is none": (
        b'{"bucket": "b", "name": "n", "generation": "NaN", "size": "1"}', {"eventType": "OBJECT_FINALIZE"},
    ),
    "nested without end": (b"[" * 50_000, {"eventType": "OBJECT_FINALIZE"}),
    "another's event": (
        b'{"recording_id": 5}',
        {"ce-id": "1", "ce-type": "some.other.thing", "ce-source": "//x", "ce-specversion": "1.0"},
    ),
    "ours, with a wrong id": (
        b'{"recording_id": "; drop table videos"}',
        {"ce-id": "1", "ce-type": "sonicgen.recording.fingerprinted.v1", "ce-source": "//x", "ce-specversion": "1.0"},
    ),
}  # fmt: skip


def test_garbage_on_the_bus_is_acknowledged_and_in_nobodys_way(world: World, pieces: Callable[..., Path]) -> None:
    for kind, (data, attributes) in GARBAGE.items():
        for topic in FUNCTIONS:
            # What is no CloudEvent at all never reaches a function of its own topics: the framework answers 400.
            if topic == "media-objects" or "ce-id" in attributes:
                publish_message(topic, data, {**attributes, **({"ce-id": kind} if "ce-id" in attributes else {})})
    path = pieces(1)
    added = {world.add(path): path}
    world.run()
    assert not world.refused, "garbage never gets better: it is acknowledged the first time"
    check(world, added)
    noted = [entry for entry in world.services.ledger.failures() if entry.key.startswith("unreadable ")]
    assert len(noted) >= len(GARBAGE)
    assert all(entry.reason for entry in noted), "and it is on record why"
