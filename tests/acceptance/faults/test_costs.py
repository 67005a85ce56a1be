"""What one event costs the services behind the functions; docs/scale.md counts with it."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from sonicgen.store.database import Database
from tests.acceptance.faults.orders import Orders
from tests.acceptance.faults.world import World, check

RECORDINGS = 6
# Bounds for one recording of eight seconds, a quarter above what was measured; a step that asks for more says so here.
MOST = {
    "fingerprint_match": {"statements": 47, "transactions": 2, "firestore": 5, "pubsub": 1, "storage": 6},
    "transcription_submit": {"statements": 23, "transactions": 7, "firestore": 4, "pubsub": 1, "storage": 9},
    "transcript_fetch": {"statements": 25, "transactions": 4, "firestore": 4, "pubsub": 2, "storage": 5},
    "transcript_inherit": {"statements": 4, "transactions": 1, "firestore": 3, "pubsub": 1, "storage": 1},
}


@pytest.fixture(scope="module")
def lease_seconds() -> float:
    """Long enough that no lease is renewed, which would be counted on a slow machine and not on a fast one."""
    return 60.0


class _Meter:
    """Counts what a delivery asks of each service."""

    def __init__(self, world: World, orders: Orders, database_url: str) -> None:
        self._world, self._orders, self._url = world, orders, database_url
        self._inner = world.deliver
        self.spent: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))

    def deliver(self, function: str, headers: dict[str, str], body: bytes) -> int:
        """Deliver, and note what it took."""
        at, busy = len(self._orders.calls), self._busy_ms()
        passed = self._world.database_bytes()
        status = self._inner(function, headers, body)
        calls = self._orders.calls[at:]
        spent = self.spent[function]
        spent["events"] += 1
        spent["transactions"] += calls.count("postgres COMMIT")
        spent["statements"] += sum(call.startswith("postgres ") for call in calls)
        for service in ("firestore", "pubsub", "storage", "assemblyai"):
            spent[service] += sum(call.startswith(f"{service} ") for call in calls)
        sent, received = (after - before for before, after in zip(passed, self._world.database_bytes(), strict=True))
        spent["bytes to Postgres"] += sent
        spent["bytes from Postgres"] += received
        spent["Postgres ms"] += self._busy_ms() - busy
        return status

    def _busy_ms(self) -> float:
        with psycopg.connect(self._url, autocommit=True) as connection:
            # The backends hand in their figures when they are idle, at most once a second, unless they are told to.
            row = connection.execute(
                "select active_time from pg_stat_database where datname = current_database()"
            ).fetchone()
        assert row is not None
        return float(row[0])


def test_what_an_event_costs(world: World, orders: Orders, pieces: Callable[..., Path], database_url: str) -> None:
    warm = pieces(3000)
    added = {world.add(warm): warm}
    world.run()
    meter = _Meter(world, orders, database_url)
    world.deliver = meter.deliver
    for number in range(1, RECORDINGS + 1):
        path = pieces(3000 + number)
        added[world.add(path)] = path
        world.run()
    check(world, added)
    assert isinstance(world.services.database, Database)
    costs = {
        function: {name: round(value / spent["events"], 2) for name, value in spent.items() if name != "events"}
        for function, spent in meter.spent.items()
    }
    if target := os.environ.get("SONICGEN_COSTS_FILE"):
        Path(target).write_text(json.dumps(costs, indent=1))
    for function, bounds in MOST.items():
        over = {name: costs[function][name] for name, most in bounds.items() if costs[function][name] > most}
        assert over == {}, f"{function} asks for more than it did"
