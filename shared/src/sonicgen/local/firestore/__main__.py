"""`python -m sonicgen.local.firestore FILE [PORT]`: the local Firestore alone; prints its address."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from sonicgen.local.firestore.server import FirestoreServer


async def _serve(database: Path, port: int) -> None:
    server = FirestoreServer(database, port=port)
    sys.stdout.write(f"127.0.0.1:{await server.start()}\n")
    sys.stdout.flush()
    try:
        await asyncio.Event().wait()
    finally:
        await server.stop()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
