"""One process that serves Cloud Storage, Pub/Sub, Firestore and Cloud Run Jobs from a data folder.

python -m sonicgen.local.servers DATA STORAGE_PORT PUBSUB_PORT FIRESTORE_PORT JOBS_PORT
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from sonicgen.local.firestore.server import FirestoreServer
from sonicgen.local.folder import DataFolder
from sonicgen.local.jobs import JobsServer
from sonicgen.local.pubsub.server import PubsubServer
from sonicgen.local.storage.server import StorageServer
from sonicgen.log import setup_logging

# How often the queues' lengths are written down for the page.
QUEUES_SECONDS = 1.0


async def serve(folder: DataFolder, storage_port: int, pubsub_port: int, firestore_port: int, jobs_port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    pubsub = PubsubServer(folder.cloud / "pubsub.sqlite", port=pubsub_port)
    firestore = FirestoreServer(folder.cloud / "firestore.sqlite", port=firestore_port)
    storage = StorageServer(folder.objects, port=storage_port, publish=pubsub.publish_local)
    # The addresses of all parts are known once everything is up, which is before anything asks for a job.
    jobs = JobsServer(jobs_port, folder.logs / "jobs.log", folder.read_addresses)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    for server in (pubsub, firestore, storage):
        await server.start()
    jobs.start()
    while not ended.is_set():
        await _write_queues(pubsub, folder.queues)
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), QUEUES_SECONDS)
    await asyncio.to_thread(jobs.stop)
    for server in (storage, firestore, pubsub):
        await server.stop()


async def _write_queues(pubsub: PubsubServer, path: Path) -> None:
    text = json.dumps([asdict(queue) for queue in await pubsub.statistics()])
    part = path.with_suffix(".part")
    with suppress(OSError):  # a full disk must not end the servers; the page shows the last lengths
        part.write_text(text)
        part.replace(path)


def main() -> None:
    """Read the command line and serve."""
    data, *ports = sys.argv[1:]
    storage_port, pubsub_port, firestore_port, jobs_port = map(int, ports)
    setup_logging()
    asyncio.run(serve(DataFolder(Path(data)), storage_port, pubsub_port, firestore_port, jobs_port))


if __name__ == "__main__":
    main()
