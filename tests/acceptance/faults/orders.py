"""What the proxies of this folder are told to do wrong, and what came of it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class Deed(StrEnum):
    """What happens to a call."""

    REFUSE = "refuse"  # answered with `code` by the proxy; the server never hears of it
    LOSE = "lose"  # the server does it, and the answer is lost: `code`, or a cut connection when there is none
    CUT = "cut"  # the connection ends; after `after_bytes` of what is on its way
    STALL = "stall"  # it takes `seconds` longer
    SPOIL = "spoil"  # a byte of what is sent to the server is another one
    TWICE = "twice"  # the server gets it twice


@dataclass(slots=True)
class Order:
    """A deed for every call whose place matches the pattern: after `skip` of them, `times` times.

    A place is "storage GET /path?query", "pubsub Publish", "firestore Commit", "postgres COMMIT…".
    """

    place: str
    deed: Deed
    code: int | str = 503
    times: int = 1
    skip: int = 0
    seconds: float = 0.0
    after_bytes: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    done: int = 0


class Orders:
    """All that is to go wrong; shared by the proxies of a test. Nothing is forgotten to be counted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: list[Order] = []
        self._listener: Callable[[str, bool], None] | None = None
        self.calls: list[str] = []

    def add(self, place: str, deed: Deed, **more: object) -> Order:
        """Give an order and return it; its `done` says how often it has happened."""
        order = Order(place, deed, **more)  # type: ignore[arg-type]
        with self._lock:
            self._orders.append(order)
        return order

    def listen(self, listener: Callable[[str, bool], None] | None) -> None:
        """Have every call told: its place, and whether its effect is there already."""
        self._listener = listener

    def clear(self) -> None:
        """Forget all orders and calls."""
        with self._lock:
            self._orders, self.calls = [], []
        self._listener = None

    def take(self, place: str) -> Order | None:
        """Return what is to happen to a call, None when it simply passes."""
        with self._lock:
            self.calls.append(place)
            found = next((one for one in self._orders if self._applies(one, place)), None)
        if self._listener is not None:
            self._listener(place, False)
        return found

    def passed(self, place: str) -> None:
        """Note that a call has had its effect; its answer is not sent yet."""
        if self._listener is not None:
            self._listener(place, True)

    @staticmethod
    def _applies(order: Order, place: str) -> bool:
        if not order.times or not re.search(order.place, place):
            return False
        if order.skip:
            order.skip -= 1
            return False
        order.times -= 1
        order.done += 1
        return True
