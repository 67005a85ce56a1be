"""The recognising process as its owner sees it: started when there is work, stopped when there is none."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sonicgen.errors import UnavailableError
from sonicgen.local.assemblyai.service import Options


class WorkerProcess:
    """One worker at most; it is started by the first job and again after it died."""

    def __init__(self, options: Options) -> None:
        model = () if options.whisper_model is None else (options.whisper_model,)
        self._command = (sys.executable, "-m", "sonicgen.local.assemblyai.worker", options.recogniser, *model)
        self._process: asyncio.subprocess.Process | None = None

    async def do(self, job: Mapping[str, Any]) -> dict[str, str]:
        """Have a job done; return the worker's answer. Raises UnavailableError when the worker dies over it."""
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise UnavailableError("The local recogniser has no pipes.")
        with suppress(ConnectionError):
            process.stdin.write(json.dumps(job).encode() + b"\n")
            await process.stdin.drain()
        line = await process.stdout.readline()
        if not line:
            code = await process.wait()
            raise UnavailableError(f"The local recogniser ended (exit code {code}).")
        answer: dict[str, str] = json.loads(line)
        return answer

    async def stop(self) -> None:
        """End the worker; harmless when there is none."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()
