"""Firestore on a thread of its own, for scripts and tests that have no event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sonicgen.local.firestore.server import FirestoreServer

_PATIENCE_SECONDS = 30.0


class ThreadedFirestore:
    """A context manager: inside it, `address` is what FIRESTORE_EMULATOR_HOST takes."""

    def __init__(self, database: Path, *, port: int = 0) -> None:
        self.server = FirestoreServer(database, port=port)
        self.address = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="firestore-loop", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.address = f"127.0.0.1:{self.run(self.server.start())}"
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.run(self.server.stop())
        finally:
            self._end()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the server's loop and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE_SECONDS)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE_SECONDS)
        self._loop.close()
