"""Functions in processes that may be killed: each delivery is done by a child of its own, forked from a warm parent.

Started as a program it is that parent: a line of JSON with function, headers and body is a delivery; it answers with a
line that holds the child's process id, and with another that holds the status, 0 when the child was killed.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

from tests.acceptance.faults.functions import Functions


class Worker:
    """A warm parent and the child that is at work, if there is one."""

    def __init__(self) -> None:
        self.pid: int | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.faults.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def deliver(self, function: str, headers: dict[str, str], body: bytes) -> int:
        """Push to a function in a new process; return the status of its answer, 500 when it was killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = {"function": function, "headers": headers, "body": base64.b64encode(body).decode()}
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        self._process.stdin.flush()
        self.pid = int(self._process.stdout.readline())
        status = int(self._process.stdout.readline())
        self.pid = None
        return status or 500

    def kill(self) -> bool:
        """Kill the child that is at work, without a word; whether there was one."""
        if self.pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        return True

    def close(self) -> None:
        """End the parent."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


def main() -> None:
    """Serve deliveries until there are no more lines."""
    functions = Functions()
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            status = functions.deliver(job["function"], job["headers"], base64.b64decode(job["body"]))
            os._exit(0 if status < 300 else 1)
        print(pid, flush=True)
        _, ended = os.waitpid(pid, 0)
        print({0: 200, 1: 500}.get(os.waitstatus_to_exitcode(ended), 0), flush=True)


if __name__ == "__main__":
    main()
