"""A running server and the real client for it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from sonicgen.local.storage import StorageServer


class Bus:
    """Where the server's notifications go; `broken` makes it refuse."""

    def __init__(self) -> None:
        self.broken = False
        self.refused = 0
        self.messages: list[tuple[str, bytes, dict[str, str]]] = []

    async def publish(self, topic: str, data: bytes, attributes: dict[str, str]) -> str:
        if self.broken:
            self.refused += 1
            raise ConnectionError("no bus")
        self.messages.append((topic, data, attributes))
        return str(len(self.messages))

    def wait(self, bucket: storage.Bucket, count: int) -> list[tuple[str, bytes, dict[str, str]]]:
        """Return the bucket's messages once there are `count`."""
        end = time.monotonic() + 5
        while True:
            found = [message for message in self.messages if message[2]["bucketId"] == bucket.name]
            if len(found) >= count:
                return found
            assert time.monotonic() < end, f"{len(found)} of {count} messages came: {found}"
            time.sleep(0.01)


class LoopThread:
    """An event loop in a thread of its own, as the supervisor has one."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, call: Awaitable[Any]) -> Any:
        async def wrap() -> Any:
            return await call

        return asyncio.run_coroutine_threadsafe(wrap(), self._loop).result(20)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


def make_client(port: int) -> storage.Client:
    """Return a real client for a local server."""
    return storage.Client(
        project="test-project",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": f"http://127.0.0.1:{port}"},
    )


@contextmanager
def serving(folder: Path, bus: Bus | None = None, port: int = 0) -> Iterator[int]:
    """Serve a folder within this process; gives the port."""
    loop = LoopThread()
    try:
        server = StorageServer(folder, port=port, publish=bus.publish if bus else None)
        yield loop.run(server.start())
    finally:
        loop.run(server.stop())
        loop.close()


@pytest.fixture
def serve() -> Callable[..., Any]:
    return serving


@pytest.fixture
def connect() -> Iterator[Callable[[int], storage.Client]]:
    """Make clients that are closed at the end."""
    clients: list[storage.Client] = []

    def make(port: int) -> storage.Client:
        clients.append(make_client(port))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def bus() -> Bus:
    return Bus()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared") / "storage"


@pytest.fixture(scope="session")
def port(folder: Path, bus: Bus) -> Iterator[int]:
    with serving(folder, bus) as port:
        yield port


@pytest.fixture
def client(port: int, connect: Callable[[int], storage.Client]) -> storage.Client:
    return connect(port)


@pytest.fixture
def bucket(client: storage.Client) -> storage.Bucket:
    """A new bucket on the server that all tests share."""
    return client.create_bucket(f"bucket-{uuid.uuid4().hex}")


class ServerProcess:
    """A server in a process of its own, which can be killed and started again on the same port."""

    def __init__(self, folder: Path, log: Path, environment: dict[str, str] | None = None) -> None:
        self._arguments = [sys.executable, str(Path(__file__).parent / "serve.py"), str(folder)]
        self._environment = environment
        self._log = log
        self.port = 0
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*self._arguments, str(self.port), str(self._log)],
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
        )
        assert process.stdout is not None
        self.port = int(process.stdout.readline())
        return process

    def kill(self) -> None:
        """Kill it as kill -9 does."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def restart(self) -> None:
        """Kill it and start it again on the same port."""
        self.kill()
        self.process = self._start()

    def published(self) -> list[dict[str, Any]]:
        """Return the messages that were published so far."""
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._log.read_text().splitlines()]


@pytest.fixture
def server_process(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Start server processes that are killed at the end."""
    started: list[ServerProcess] = []

    def start(environment: dict[str, str] | None = None) -> ServerProcess:
        started.append(ServerProcess(tmp_path / "storage", tmp_path / "published.log", environment))
        return started[-1]

    yield start
    for server in started:
        server.kill()
