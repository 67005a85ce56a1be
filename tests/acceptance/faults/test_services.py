"""Storage, bus, documents, database and provider misbehave: nothing is lost, and nothing happens twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from sonicgen.cloud import bus
from sonicgen.local.postgres import LocalPostgres
from tests.acceptance.faults.conftest import ROUNDS
from tests.acceptance.faults.orders import Deed, Orders
from tests.acceptance.faults.postgres_proxy import end_all_connections
from tests.acceptance.faults.world import LEASE_SECONDS, World, check

Fault = dict[str, Any]
LONGER = LEASE_SECONDS + 0.6
# What goes over the wire when sound is read, when it is described, and when the pipeline writes.
READ, DESCRIBE, WRITE = "storage GET /download", "storage GET /storage", "storage P.* /upload.*media-"

FAULTS: dict[str, Fault] = {
    "storage: 503 when the sound is described": {"place": DESCRIBE, "deed": Deed.REFUSE, "times": 2},
    "storage: 503 when the sound is read": {"place": READ, "deed": Deed.REFUSE, "times": 2},
    "storage: 503 after four megabytes": {"place": READ, "deed": Deed.REFUSE, "skip": 3, "seconds_of_sound": 60.0},
    "storage: a download is cut off": {"place": READ, "deed": Deed.CUT, "after_bytes": 40_000, "times": 2},
    "storage: a download stalls for longer than the lease": {"place": READ, "deed": Deed.STALL, "seconds": LONGER},
    "storage: 429 with the time to wait": {
        "place": READ, "deed": Deed.REFUSE, "code": 429, "headers": {"retry-after": "1"},
    },
    "storage: the account has no rights for a while": {"place": DESCRIBE, "deed": Deed.REFUSE, "code": 403},
    "storage: an upload arrives with a wrong byte": {"place": "storage PUT.*media-", "deed": Deed.SPOIL},
    "storage: an upload is cut off": {"place": "storage PUT.*media-", "deed": Deed.CUT},
    "storage: an upload's answer is lost": {"place": "storage PUT.*media-", "deed": Deed.LOSE, "code": 0, "times": 2},
    "storage: 503 on every kind of upload": {"place": WRITE, "deed": Deed.REFUSE, "times": 3},
    "storage: somebody else wrote first": {"place": "storage POST.*media-", "deed": Deed.REFUSE, "code": 412},
    "bus: unavailable": {"place": "pubsub Publish", "deed": Deed.REFUSE, "times": 3},
    "bus: the answer is lost, so that it is published twice": {
        "place": "pubsub Publish", "deed": Deed.LOSE, "code": "DEADLINE_EXCEEDED", "times": 3,
    },
    "bus: every message is taken twice": {"place": "pubsub Publish", "deed": Deed.TWICE, "times": 99},
    "bus: the quota is spent": {
        "place": "pubsub Publish", "deed": Deed.REFUSE, "code": "RESOURCE_EXHAUSTED", "times": 2,
    },
    "documents: unavailable": {"place": "firestore", "deed": Deed.REFUSE, "times": 4},
    "documents: a write's answer is lost": {
        "place": "firestore Commit", "deed": Deed.LOSE, "code": "UNAVAILABLE", "times": 4,
    },
    "documents: aborted": {"place": "firestore Commit", "deed": Deed.REFUSE, "code": "ABORTED", "times": 2},
    "documents: the last write of all is lost": {
        "place": "firestore Commit", "deed": Deed.LOSE, "code": "INTERNAL", "skip": 2, "times": 3,
    },
    "documents: slower than the lease": {"place": "firestore Commit", "deed": Deed.STALL, "seconds": LONGER},
    "documents: the quota is spent": {
        "place": "firestore", "deed": Deed.REFUSE, "code": "RESOURCE_EXHAUSTED", "times": 3,
    },
    "database: cut off before a statement arrives": {"place": "postgres .*update videos", "deed": Deed.CUT},
    "database: cut off in the middle of a statement": {
        "place": "postgres copy fingerprints", "deed": Deed.CUT, "after_bytes": 12,
    },
    "database: a commit never arrives": {"place": "postgres COMMIT", "deed": Deed.CUT, "skip": 5, "times": 3},
    "database: a commit's answer is lost": {"place": "postgres COMMIT", "deed": Deed.LOSE, "skip": 3, "times": 4},
    "database: the answer is lost to every second commit": {
        "place": "postgres COMMIT", "deed": Deed.LOSE, "skip": 6, "times": 5,
    },
    "database: slower than the lease": {"place": "postgres copy", "deed": Deed.STALL, "seconds": LONGER},
    "provider: an upload fails": {"place": "assemblyai POST /v2/upload", "deed": Deed.REFUSE, "code": 500},
    "provider: an upload is cut off": {"place": "assemblyai POST /v2/upload", "deed": Deed.CUT},
    "provider: the order's answer is lost": {"place": "assemblyai POST /v2/transcript", "deed": Deed.LOSE, "code": 0},
    "provider: 502 to an order that was taken": {
        "place": "assemblyai POST /v2/transcript", "deed": Deed.LOSE, "code": 502,
    },
    "provider: 429 when the words are fetched": {
        "place": "assemblyai GET /v2/transcript/", "deed": Deed.REFUSE, "code": 429, "times": 2,
    },
    "provider: the words are cut off": {
        "place": "assemblyai GET /v2/transcript/", "deed": Deed.CUT, "after_bytes": 50,
    },
    "provider: the key is refused for a while": {
        "place": "assemblyai POST /v2/transcript", "deed": Deed.REFUSE, "code": 401,
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", FAULTS)
def test_a_service_misbehaves(world: World, orders: Orders, pieces: Callable[..., Path], kind: str) -> None:
    fault = dict(FAULTS[kind])
    seconds = fault.pop("seconds_of_sound", 8.0)
    added: dict[UUID, Path] = {}
    for attempt in range(ROUNDS):
        path = pieces(1000 + attempt, seconds, ".wav" if seconds > 8 else ".mp3")
        added[world.add(path)] = path
        order = orders.add(**fault)
        world.run()
        assert order.done, "the fault did not happen"
    orders.clear()
    check(world, added)


@pytest.mark.parametrize("kind", ["lock_timeout", "statement_timeout"])
def test_a_lock_that_is_held_too_long(world: World, pieces: Callable[..., Path], database_url: str, kind: str) -> None:
    """Somebody keeps the index locked; the server gives up waiting, and the event comes again."""
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"alter database {name} set {kind} = '150ms'")
    end_all_connections(database_url)
    path = pieces(1)
    added = {world.add(path): path}
    with psycopg.connect(database_url) as holder:
        holder.execute("set statement_timeout = 0; select pg_advisory_xact_lock(7236837002)")
        tries = 0
        while not world.refused and (tries := tries + 1) < 200:
            world.pending += world.bus.take()
            world.step()
        holder.rollback()
    assert world.refused, "it was never in the way"
    world.run()
    check(world, added)


def test_the_database_is_restarted_in_between(
    world: World, orders: Orders, pieces: Callable[..., Path], database_url: str
) -> None:
    """Every connection ends, again and again, as it is when the server is restarted."""
    ended: list[int] = []

    def listener(place: str, is_done: bool) -> None:
        if is_done and place.startswith("postgres") and len(ended) < 4 and len(orders.calls) % 23 == 0:
            ended.append(end_all_connections(database_url))

    added = {}
    for attempt in range(ROUNDS):
        path = pieces(1100 + attempt)
        added[world.add(path)] = path
    orders.listen(listener)
    world.run()
    orders.listen(None)
    assert sum(ended) >= 2
    check(world, added)


def test_the_database_takes_no_connection_for_a_while(
    world: World, pieces: Callable[..., Path], database_url: str, postgres_server: LocalPostgres
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    path = pieces(1)
    added = {world.add(path): path}
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"alter database {name} allow_connections false")
        try:
            end_all_connections(postgres_server.url, str(name))
            while not world.refused:
                world.pending += world.bus.take()
                world.step()
        finally:
            connection.execute(f"alter database {name} allow_connections true")
    assert world.refused
    world.run()
    check(world, added)


def test_an_order_that_never_arrived_is_found_out_and_made_once(
    world: World, orders: Orders, pieces: Callable[..., Path]
) -> None:
    """The provider refuses before anything was ordered, and nobody can know; time passes, and it is sent again."""
    from sonicgen.steps.maintenance import settle_lost_callbacks

    path = pieces(1)
    added = {world.add(path): path}
    orders.add("assemblyai POST /v2/transcript", Deed.CUT)
    while not world.refused:
        world.pending += world.bus.take()
        world.step()
    with world.services.database.transaction() as connection:  # the clock jumps
        connection.execute(
            "update transcripts set submitted_at = submitted_at - interval '1 hour', next_poll_at = clock_timestamp()"
        )
    settle_lost_callbacks(world.services)
    world.run()
    check(world, added)


def test_the_bus_that_publishes_is_the_one_behind_the_proxy(world: World, orders: Orders) -> None:
    """Without this every fault of the bus would be one that never happened."""
    bus.publish_message("maintenance", b"{}", {})
    assert "pubsub Publish" in orders.calls
