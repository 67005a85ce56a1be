"""The pump that brings notifications from the outbox to the bus."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio.to_thread

from sonicgen.local.storage.database import Database, now_microseconds

Publish = Callable[[str, bytes, dict[str, str]], Awaitable[str]]
"""Takes a topic's path, data and attributes; returns the message's id once the bus is responsible for it."""

_log = logging.getLogger(__name__)

_BATCH = 100  # published at once
_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 30.0
_PUBLISH_SECONDS = 30.0  # a bus that hangs is one that fails


class OutboxPump:
    """Publishes what the outbox holds, each message at least once, and tries again for as long as the bus refuses."""

    def __init__(self, database: Database, publish: Publish) -> None:
        self._database = database
        self._publish = publish
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._stopping = False

    def wake(self) -> None:
        """Say that the outbox may hold something; callable from any thread."""
        with suppress(RuntimeError):  # the loop may be closing: the next start finds what is left
            self._loop.call_soon_threadsafe(self._wake.set)

    def stop(self) -> None:
        """Have `run` end after the messages that are on their way, so that none of them is published again."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Publish until stopped or cancelled."""
        while not self._stopping:
            try:
                wait = await self._publish_due()
            except sqlite3.Error:  # a full disk, say; the rows are still there
                _log.exception("The outbox of the local Cloud Storage cannot be read; trying again.")
                wait = _LONGEST_WAIT_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait)
            if not self._stopping:
                self._wake.clear()

    async def _publish_due(self) -> float | None:
        """Publish all that is due; return the seconds until something else is, None when nothing is left."""
        while rows := await anyio.to_thread.run_sync(self._due):
            outcomes = await asyncio.gather(*map(self._deliver, rows))
            if not any(outcomes) or self._stopping:
                break
        following = await anyio.to_thread.run_sync(lambda: self._database.one("next_outgoing"))
        if following is None or following["due_at"] is None:
            return None
        due_at: int = following["due_at"]
        return max(0.01, (due_at - now_microseconds()) / 1e6)

    def _due(self) -> list[sqlite3.Row]:
        return self._database.all("list_outgoing", now=now_microseconds(), most=_BATCH)

    async def _deliver(self, row: sqlite3.Row) -> bool:
        try:
            async with asyncio.timeout(_PUBLISH_SECONDS):
                await self._publish(row["topic"], row["data"], json.loads(row["attributes"]))
        except Exception as error:  # whatever the bus raises, the message waits for its next turn
            wait = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2 ** min(row["attempts"], 20))
            _log.warning("Publishing to %s failed (%s); trying again in %.1f s.", row["topic"], error, wait)
            due_at = now_microseconds() + int(wait * 1e6)
            await anyio.to_thread.run_sync(lambda: self._database.run("postpone_outgoing", id=row["id"], due_at=due_at))
            return False
        await anyio.to_thread.run_sync(lambda: self._database.run("delete_outgoing", id=row["id"]))
        return True
