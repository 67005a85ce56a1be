"""Serves the stand-in for AssemblyAI from a folder until SIGTERM or SIGINT.

python -m sonicgen.local.assemblyai FOLDER PORT
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import anyio
import uvicorn

from sonicgen.local.assemblyai import LOCAL_KEY
from sonicgen.local.assemblyai.app import make_app
from sonicgen.local.assemblyai.jobs import run_jobs
from sonicgen.local.assemblyai.service import Options, Service, open_service
from sonicgen.local.assemblyai.webhooks import run_calls
from sonicgen.log import setup_logging
from sonicgen.settings import read_settings

HOST = "127.0.0.1"
STOP_SECONDS = 2


async def serve(service: Service, port: int) -> None:
    """Serve until SIGTERM or SIGINT, with the queue and the webhooks beside it; when one of them fails all end."""
    config = uvicorn.Config(
        make_app(service),
        host=HOST,
        port=port,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = _QuietServer(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, partial(setattr, server, "should_exit", True))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_jobs, service)
        tasks.start_soon(run_calls, service)
        await server.serve()
        tasks.cancel_scope.cancel()


class _QuietServer(uvicorn.Server):
    """A uvicorn server that leaves the signals to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main() -> None:
    """Read the command line and serve."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    settings = read_settings()
    setup_logging(settings.log_level)
    options = Options(
        key=LOCAL_KEY,
        recogniser=settings.recogniser,
        whisper_model=settings.whisper_model,
        storage_url=settings.storage_emulator_host,
    )
    service = open_service(folder, options)
    try:
        asyncio.run(serve(service, port))
    finally:
        service.database.close()


if __name__ == "__main__":
    main()
