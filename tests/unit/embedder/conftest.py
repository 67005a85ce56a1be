"""The embedder on a real port, with a real but small encoder."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from sonicgen.embedder import models
from sonicgen.embedder.app import create_app
from sonicgen.embedder.house import House
from sonicgen.embedder.models import Loader
from sonicgen.embedder.serve import DrainingServer
from sonicgen.settings import read_settings
from tests.unit.embedder.cepstra_encoder import CepstraEncoder, loader


@dataclass
class Service:
    """A running embedder."""

    url: str
    house: House
    encoder: CepstraEncoder
    server: DrainingServer
    scratch: Path

    def client(self, timeout: float = 60.0) -> httpx.Client:
        """Return a client of it."""
        return httpx.Client(base_url=self.url, timeout=timeout, trust_env=False)

    def left_behind(self) -> list[Path]:
        """Return what lies in the folder of temporary files."""
        return list(self.scratch.iterdir())


Start = Callable[..., Service]


@contextmanager
def services(scratch: Path, *, is_alone: bool = True) -> Iterator[Start]:
    """Start services with whatever settings and loader are wanted; they end with the block.

    `is_alone`: temporary files go into the scratch folder, where what is left behind is seen; for the whole process, so
    not for a service that others run beside.
    """
    running: list[tuple[DrainingServer, threading.Thread]] = []

    def begin(*, wait: bool = True, given: Loader | None = None, **settings: object) -> Service:
        encoder = CepstraEncoder()
        app: FastAPI = create_app(read_settings(log_level="WARNING", **settings), given or loader(encoder))
        config = uvicorn.Config(app, port=0, log_level="error", access_log=False, timeout_graceful_shutdown=5)
        server = DrainingServer(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        running.append((server, thread))
        wait_until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        service = Service(f"http://127.0.0.1:{port}", app.state.house, encoder, server, scratch)
        if wait:
            wait_until(lambda: service.house.is_ready)
        encoder.batches.clear()
        return service

    with pytest.MonkeyPatch.context() as patch:
        if is_alone:
            patch.setattr(tempfile, "tempdir", str(scratch))
        patch.setattr(models, "BATCH_SIZES", (1, 8))  # measuring more takes a second each
        yield begin
        for server, thread in running:
            server.should_exit = True
            thread.join(20)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start services of a test's own."""
    with services(tmp_path) as begin:
        yield begin


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The embedder as it is by default; one for a module's tests."""
    with services(tmp_path_factory.mktemp("scratch")) as begin:
        yield begin()


def wait_until(look: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
