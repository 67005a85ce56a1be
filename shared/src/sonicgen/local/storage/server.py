"""The embedded Cloud Storage as one thing to start and stop."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio.to_thread
import uvicorn

from sonicgen.errors import LocalError
from sonicgen.local.storage.app import make_app
from sonicgen.local.storage.outbox import OutboxPump, Publish
from sonicgen.local.storage.service import Service, open_service

_log = logging.getLogger(__name__)

_LAST_PUBLISH_SECONDS = 1  # how long messages on their way to the bus are waited for
_STOP_SECONDS = 3  # how long transfers may go on after stop() was called


class StorageServer:
    """Serves Cloud Storage's JSON API from a folder, in the running event loop.

    Its state is `folder/storage.sqlite` and `folder/objects/`; two servers must not share a folder. Whatever was
    acknowledged survives a kill at any moment. `publish` gets the buckets' notifications, each at least once; without
    it they wait in the outbox for a server that has one. Nothing is authenticated: keep `host` a loopback address.
    """

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", port: int = 0, publish: Publish | None = None) -> None:
        self._folder = folder
        self._host = host
        self._port = port
        self._publish = publish
        self._service: Service | None = None
        self._pump: OutboxPump | None = None
        self._server: _QuietServer | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> int:
        """Start serving and return the port; raise LocalError when the port or the folder cannot be used."""
        try:
            listener = _listen(self._host, self._port)
        except OSError as error:
            raise LocalError(
                f"Cloud Storage cannot listen on {self._host}:{self._port} ({error.strerror}); choose another port."
            ) from error
        try:
            self._service = await anyio.to_thread.run_sync(open_service, self._folder, self._wake)
        except Exception as error:
            listener.close()
            raise LocalError(f"Cloud Storage cannot use its folder {self._folder} ({error}).") from error
        config = uvicorn.Config(
            make_app(self._service),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        self._server = _QuietServer(config)
        self._tasks = [asyncio.create_task(self._server.serve(sockets=[listener]))]
        if self._publish is not None:
            self._pump = OutboxPump(self._service.database, self._publish)
            self._tasks.append(asyncio.create_task(self._pump.run()))
        while not self._server.started:
            if self._tasks[0].done():
                await self.stop()
                raise LocalError("Cloud Storage stopped while it was starting; its log says why.")
            await asyncio.sleep(0.005)
        return int(listener.getsockname()[1])

    async def stop(self) -> None:
        """Stop serving, let transfers end for a moment, and close the files. Harmless when it is not running."""
        if self._server is not None:
            self._server.should_exit = True
        if self._pump is not None:
            self._pump.stop()
            await asyncio.wait(self._tasks[1:], timeout=_LAST_PUBLISH_SECONDS)
        for task in self._tasks[1:]:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        if self._server is not None:  # cancelled transfers still remove what they had written
            await asyncio.gather(*self._server.server_state.tasks, return_exceptions=True)
        self._tasks = []
        self._server = self._pump = None
        if self._service is not None:
            await anyio.to_thread.run_sync(self._service.database.close)
            self._service = None

    def _wake(self) -> None:
        if self._pump is not None:
            self._pump.wake()


class _QuietServer(uvicorn.Server):
    """A uvicorn server that leaves the signals to whoever owns the loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol has to be named: asyncio turns Nagle's algorithm off only where it sees TCP, and with it on every
    # upload took 45 ms instead of 4.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
