"""Serve a folder until killed, with waits that tests can sit out."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from sonicgen.local.assemblyai.__main__ import serve
from sonicgen.local.assemblyai.service import Options, open_service

if __name__ == "__main__":
    folder, port, options = sys.argv[1:]
    service = open_service(Path(folder), Options(**json.loads(options)))
    asyncio.run(serve(service, int(port)))
