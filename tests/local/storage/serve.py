"""Serve a folder until killed. Prints the port, then appends what it publishes to a file."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import resource
import sys
from pathlib import Path

from sonicgen.local.storage import StorageServer


async def serve(folder: Path, port: int, log: Path) -> None:
    """Serve for ever."""

    async def publish(topic: str, data: bytes, attributes: dict[str, str]) -> str:
        line = json.dumps({"topic": topic, "data": base64.b64encode(data).decode(), "attributes": attributes})
        with log.open("a") as file:
            file.write(line + "\n")
        return "1"

    server = StorageServer(folder, port=port, publish=publish)
    print(await server.start(), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if limit := os.environ.get("TEST_FILE_LIMIT_BYTES"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
