"""A process that is killed at whatever it asks of the outside, before and after that has its effect."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from tests.acceptance.faults.conftest import ROUNDS
from tests.acceptance.faults.orders import Orders
from tests.acceptance.faults.worker import Worker
from tests.acceptance.faults.world import World, check

pytestmark = pytest.mark.timeout(1_200)
# One recording's way has about 150 calls, each with a moment before and one after its effect. One in so many of them
# is tried; with 60 rounds (`python -m bench faults`) every single one.
ONE_IN = max(1, 60 // ROUNDS)


@pytest.fixture
def worker(world: World) -> Iterator[Worker]:
    """The world's functions in processes of their own."""
    made = Worker()
    world.deliver = made.deliver
    yield made
    made.close()


class _Killer:
    """Kills the worker at the n-th moment, counted from one delivery to the next."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._lock = threading.Lock()
        self.moments: list[str] = []
        self.at: int | None = None
        self.killed: list[str] = []

    def __call__(self, place: str, is_done: bool) -> None:
        with self._lock:
            if self._worker.pid is None:
                return  # the test's own call
            self.moments.append(f"{'after' if is_done else 'before'} {place[:60]}")
            if self.at == len(self.moments) and self._worker.kill():
                self.killed.append(self.moments[-1])
                self.at = None


def test_killed_at_any_call_it_ends_as_if_nothing_had_been(
    world: World, orders: Orders, worker: Worker, pieces: Callable[..., Path]
) -> None:
    killer = _Killer(worker)
    orders.listen(killer)
    added: dict[UUID, Path] = {}

    def run(number: int) -> None:
        killer.moments.clear()
        path = pieces(2000 + number)
        added[world.add(path)] = path
        world.run()

    run(0)
    moments = len(killer.moments)
    assert moments > 100
    wanted = range(1 + ROUNDS % ONE_IN, moments, ONE_IN)
    for number, at in enumerate(wanted, 1):
        killer.at = at
        run(number)
    orders.listen(None)
    print(f"killed at {len(killer.killed)} of {moments} moments")
    assert len(killer.killed) >= len(wanted) - 1, "what comes later than the last call of a shorter run"
    check(world, added)
