"""The embedded Cloud Run Jobs: `…/jobs/NAME:run` over REST starts the same code as a process on this machine.

One run of a job at a time, in as many tasks as were asked for; a task that ends with an error is started again, three
tries in all, as the cloud is told to do it. Runs do not outlive their server: what was under way is found by the
retries of downloads, and a backfill that is run again goes on.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

from sonicgen.errors import SonicGenError
from sonicgen.topology import topology

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
# What each job runs, by its name in the cloud.
MODULES: Mapping[str, str] = {name: job["module"] for name, job in topology().raw["jobs"].items()}
TRIES = 3
# Tasks of one run on one machine, however many were asked for.
MOST_TASKS = 64
_STOP_SECONDS = 5.0
_RUN = re.compile(r"/v2/(projects/[^/]+/locations/[^/]+/jobs/([^/:]+)):run(?:\?.*)?")
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Run:
    """One run that was asked for."""

    job: str
    arguments: tuple[str, ...]
    tasks: int = 1


class JobsServer:
    """Serves until it is stopped. `environment` is asked at the start of each run for what it gets beyond our own."""

    def __init__(
        self,
        port: int,
        log_path: Path,
        environment: Callable[[], Mapping[str, str]],
        modules: Mapping[str, str] = MODULES,
    ) -> None:
        self._environment = environment
        self._modules = modules
        self._log_path = log_path
        # A long run of one job keeps no other job waiting.
        self._runs: dict[str, queue.SimpleQueue[Run | None]] = {job: queue.SimpleQueue() for job in modules}
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._is_stopped = False
        self._lock = threading.Lock()
        self._http = _Http((HOST, port), self)
        self._threads = (
            threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True),
            *(threading.Thread(target=self._work, args=(runs,), daemon=True) for runs in self._runs.values()),
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._http.server_address[1])

    def start(self) -> None:
        """Begin to serve."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, and end the run that is under way."""
        self._http.shutdown()
        self._http.server_close()
        with self._lock:
            self._is_stopped = True
            processes = list(self._processes)
        for runs in self._runs.values():
            runs.put(None)
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        for thread in self._threads[1:]:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            stubborn = list(self._processes)
        for process in stubborn:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def knows(self, job: str) -> bool:
        """Return whether there is such a job."""
        return job in self._modules

    def ask(self, run: Run) -> None:
        """Have something run when its turn comes."""
        self._runs[run.job].put(run)

    def _work(self, runs: queue.SimpleQueue[Run | None]) -> None:
        while (run := runs.get()) is not None:
            execution = f"{run.job}-{uuid.uuid4().hex[:5]}"
            others = [
                threading.Thread(target=self._do_task, args=(run, execution, index), daemon=True)
                for index in range(1, run.tasks)
            ]
            for other in others:
                other.start()
            self._do_task(run, execution, 0)
            for other in others:
                other.join()

    def _do_task(self, run: Run, execution: str, index: int) -> None:
        told = {"CLOUD_RUN_JOB": run.job, "CLOUD_RUN_EXECUTION": execution, "CLOUD_RUN_TASK_INDEX": str(index)}
        for attempt in range(1, TRIES + 1):
            code = self._run_once(run, {**told, "CLOUD_RUN_TASK_COUNT": str(run.tasks)})
            if code == 0 or self._is_stopped:
                break
            logger.warning("The job %s %s ended with %s (try %d).", run.job, run.arguments, code, attempt)

    def _run_once(self, run: Run, told: Mapping[str, str]) -> int:
        command = (sys.executable, "-m", self._modules[run.job], *run.arguments)
        try:
            environment = {**os.environ, **self._environment(), **told}
        except SonicGenError as error:
            logger.warning("The job %s cannot run: %s", run.job, error)
            return -1
        with self._log_path.open("ab") as log:
            process = self._start(command, environment, log)
            if process is None:
                return -1
            code = process.wait()
        with self._lock:
            self._processes.discard(process)
        return code

    def _start(
        self, command: Sequence[str], environment: Mapping[str, str], log: IO[bytes]
    ) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._is_stopped:
                return None
            process = subprocess.Popen(
                command, env=dict(environment), stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
            self._processes.add(process)
            return process


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], jobs: JobsServer) -> None:
        super().__init__(address, _Handler)
        self.jobs = jobs


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer a request to run a job with a long-running operation, as Cloud Run does."""
        asked = _RUN.fullmatch(self.path)
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _MOST_BYTES))
        if asked is None or not self.server.jobs.knows(asked[2]):
            self._answer(404, {"error": {"code": 404, "status": "NOT_FOUND", "message": f"No job at {self.path}."}})
            return
        try:
            overrides = json.loads(body or b"{}").get("overrides") or {}
            container = (overrides.get("containerOverrides") or [{}])[0]
            arguments = tuple(map(str, container.get("args") or ()))
            tasks = min(MOST_TASKS, max(1, int(overrides.get("taskCount") or 1)))
        except (ValueError, AttributeError, TypeError, IndexError, KeyError) as error:
            message = f"The overrides cannot be read: {error}."
            self._answer(400, {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": message}})
            return
        self.server.jobs.ask(Run(asked[2], arguments, tasks))
        execution = f"{asked[1]}/executions/{asked[2]}-{uuid.uuid4().hex[:5]}"
        metadata = {"@type": "type.googleapis.com/google.cloud.run.v2.Execution", "name": execution}
        place = asked[1].split("/jobs/")[0]
        self._answer(200, {"name": f"{place}/operations/{uuid.uuid4()}", "metadata": metadata, "done": False})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
