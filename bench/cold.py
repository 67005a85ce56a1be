"""What it takes a fresh instance of each function until it can answer, and that it answers, both from its bundle."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from google.pubsub_v1 import PublisherClient

from sonicgen.local.postgres import LocalPostgres
from sonicgen.local.supervisor import free_port
from sonicgen.store.database import Database
from sonicgen.store.migrations import migrate
from sonicgen.topology import topology
from tools.build_bundles import build
from tools.function_requests import SECRET, ask
from tools.try_bundle import install, measure_start, serving

ROUNDS = 5
_WHAT = "s until ready (median, best), of processor, MiB, answer"
WORK = Path(__file__).parents[1] / "build" / "bench" / "bundles"


def measure_cold() -> dict[str, str]:
    """Build every bundle, install each into a clean environment, load it several times, have it answer an event."""
    figures: dict[str, str] = {}
    with _services() as environment:
        for name, bundle in build(list(topology().functions), WORK).items():
            with tempfile.TemporaryDirectory() as folder:
                installed = install(bundle, Path(folder))
                measure_start(installed)  # reads the files from disk
                starts = [measure_start(installed) for _ in range(ROUNDS)]
                with serving(installed, environment) as address:
                    answer = ask(name, address)
            seconds = [start.seconds for start in starts]
            processor = statistics.median(start.processor_seconds for start in starts)
            memory = statistics.median(start.memory_mib for start in starts)
            figures[f"{name}: {_WHAT}"] = (
                f"{statistics.median(seconds):.2f}, {min(seconds):.2f}, {processor:.2f}, {memory:.0f}, "
                f"{answer.status} after {answer.seconds:.1f} s"
            )
            print(name, figures[f"{name}: {_WHAT}"], flush=True)
    return figures


@contextmanager
def _services() -> Iterator[dict[str, str]]:
    """The embedded cloud's servers and a migrated Postgres; gives how a function finds them."""
    with tempfile.TemporaryDirectory() as folder, LocalPostgres(Path(folder) / "postgres") as postgres:
        with Database(postgres.url) as database:
            migrate(database)
        ports = [free_port() for _ in range(4)]
        command = [sys.executable, "-m", "sonicgen.local.servers", folder, *map(str, ports)]
        servers = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _create_topics(ports[1])
            yield {
                "DATABASE_URL": postgres.url,
                "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{ports[0]}",
                "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{ports[1]}",
                "FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{ports[2]}",
                "SONICGEN_WEBHOOK_SECRET": SECRET,
            }
        finally:
            servers.terminate()
            servers.wait(20)


def _create_topics(pubsub_port: int) -> None:
    os.environ["PUBSUB_EMULATOR_HOST"] = f"127.0.0.1:{pubsub_port}"
    with PublisherClient() as client:
        for topic in topology().topics:
            client.create_topic(name=client.topic_path("sonicgen-local", topic))
