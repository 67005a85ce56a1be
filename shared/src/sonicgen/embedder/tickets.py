"""One request's right to be worked on: it ends when the caller leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sonicgen.embedder.problems import CallerLeftError


class Ticket:
    """Made for each request, asked by everything that works on it; safe to share between threads."""

    def __init__(self) -> None:
        self._left = threading.Event()
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    @property
    def has_left(self) -> bool:
        """Whether the caller has left."""
        return self._left.is_set()

    def check(self) -> None:
        """Raise CallerLeftError when the caller has left."""
        if self._left.is_set():
            raise CallerLeftError

    def leave(self) -> None:
        """End it, and tell whoever listens."""
        with self._lock:
            self._left.set()
            listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener()

    def on_leave(self, listener: Callable[[], None]) -> None:
        """Have a function called when the caller leaves; at once when that is so already."""
        with self._lock:
            if not self._left.is_set():
                self._listeners.append(listener)
                return
        listener()
