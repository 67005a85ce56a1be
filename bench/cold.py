"""What it takes a fresh instance of each function until it can answer, and that it answers, both from its bundle."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from sonicgen.local.postgres import LocalPostgres
from sonicgen.local.supervisor import free_port
from sonicgen.store.database import Database
from sonicgen.store.migrations import migrate
from sonicgen.topology import topology
from tools.build_bundles import build
from tools.try_bundle import Installed, install, measure_start, serving

ROUNDS = 5
SECRET = "of a measurement only"  # noqa: S105
EVENTS = Path(__file__).parents[1] / "tests" / "events"
WORK = Path(__file__).parents[1] / "build" / "bench" / "bundles"
# What a topic carries, as tests/events keeps it; what is told of exists nowhere, which is an answer too.
REQUESTS = {
    "channel-ingest": "channel_ingest_raw_push",
    "clips-ready": "clips_ready_native",
    "media-objects": "storage_notification_raw_push",
    "recording-fingerprinted": "recording_fingerprinted_native",
    "transcript-completed": "transcript_completed_native",
    "transcript-ready": "transcript_ready_native",
    "video-discovered": "video_discovered_native",
}
_EMPTY: dict[str, Any] = {
    "path": "/projects/sonicgen-local/topics/maintenance",
    "headers": {"content-type": "application/json"},
    "body": {"message": {"data": "e30=", "messageId": "1", "publishTime": "2026-11-21T00:00:00Z"}, "subscription": "s"},
}


def measure_cold() -> dict[str, str]:
    """Build every bundle, install each into a clean environment, load it several times, have it answer an event."""
    figures: dict[str, str] = {}
    with _services() as environment:
        for name, bundle in build(list(topology().functions), WORK).items():
            with tempfile.TemporaryDirectory() as folder:
                installed = install(bundle, Path(folder))
                measure_start(installed)  # reads the files from disk
                starts = [measure_start(installed) for _ in range(ROUNDS)]
                answered = _answer(installed, environment)
            seconds = [start.seconds for start in starts]
            memory = statistics.median(start.memory_mib for start in starts)
            median, best = statistics.median(seconds), min(seconds)
            figures[f"{name}: s until ready (median, best), MiB, answer"] = (
                f"{median:.2f}, {best:.2f}, {memory:.0f}, {answered}"
            )
            print(name, figures[f"{name}: s until ready (median, best), MiB, answer"], flush=True)
    return figures


def _answer(installed: Installed, environment: dict[str, str]) -> str:
    """Serve the function, send it a request that the cloud would send, and return status and seconds."""
    topic = topology().functions[installed.name].topic
    with serving(installed, environment) as address:
        started = time.monotonic()
        if topic is None:
            answer = httpx.post(address, json={}, headers={"X-SonicGen-Webhook-Secret": "wrong"}, timeout=120)
        else:
            path = EVENTS / f"{REQUESTS.get(topic)}.json"
            request = json.loads(path.read_text()) if path.exists() else _EMPTY
            body = json.dumps(request["body"])
            answer = httpx.post(address + request["path"], content=body, headers=request["headers"], timeout=120)
        return f"{answer.status_code} after {time.monotonic() - started:.1f} s"


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
