"""Child processes that are watched: started, restarted when they die, and gone when we are."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sonicgen.errors import LocalError
from sonicgen.log import log

logger = logging.getLogger(__name__)

# How long a child may take to end by itself. Postgres' fast shutdown writes a checkpoint: under a second here, more on
# a slow disk.
STOP_SECONDS = 10.0
# Waits between restarts of a child that keeps dying: quick at first, so that a killed process is missed by nobody.
RESTART_WAITS_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
# A child that has lived this long is healthy again, and its next death starts the waits anew.
HEALTHY_SECONDS = 30.0
# A log is started anew beyond this size, keeping one older file.
LOG_LIMIT_BYTES = 20 * 2**20

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _end_with_parent(stop_signal: signal.Signals) -> None:
    """Have the kernel stop this process when the supervisor is killed; runs in the child between fork and exec."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, stop_signal)


@dataclass(frozen=True)
class Program:
    """How one child is run. `stop_signal` asks it to end; `options` go to subprocess.Popen (user, group…)."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    options: Mapping[str, Any] = field(default_factory=dict)


class Child:
    """One running program; `restarts` counts how often it had to be started again."""

    def __init__(self, program: Program, log_folder: Path) -> None:
        self.program = program
        self.restarts = 0
        self.log_path = log_folder / f"{program.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._failures = 0
        self._due_at = 0.0

    @property
    def pid(self) -> int | None:
        """The process id, None when it does not run."""
        return self._process.pid if self.is_running() and self._process else None

    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the program; its output goes to its log file."""
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_LIMIT_BYTES:
            self.log_path.replace(self.log_path.with_suffix(".old.log"))
        with self.log_path.open("ab") as output:
            self._process = subprocess.Popen(
                self.program.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.program.environment},
                start_new_session=True,  # Ctrl-C in the terminal reaches us alone; we stop the children in order
                preexec_fn=partial(_end_with_parent, self.program.stop_signal),
                **self.program.options,
            )
        self._started_at = time.monotonic()

    def tend(self) -> None:
        """Start the program again when it has died and its wait is over."""
        if self.is_running() or self._process is None:
            return
        now = time.monotonic()
        if self._due_at == 0.0:
            if now - self._started_at > HEALTHY_SECONDS:
                self._failures = 0
            wait = RESTART_WAITS_SECONDS[min(self._failures, len(RESTART_WAITS_SECONDS) - 1)]
            self._failures += 1
            self._due_at = now + wait
            log(
                logger,
                f"{self.program.name} ended and is started again.",
                level=logging.WARNING,
                exit_code=self._process.returncode,
                wait_seconds=wait,
            )
        if now >= self._due_at:
            self._due_at = 0.0
            self.restarts += 1
            self._end_group()
            self.start()

    def stop(self) -> None:
        """Ask the program to end, then end it."""
        if self._process is None:
            return
        if self.is_running():
            self._process.send_signal(self.program.stop_signal)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                log(logger, f"{self.program.name} does not end and is killed.", level=logging.WARNING)
        self._end_group()
        self._process.wait()

    def _end_group(self) -> None:
        # A server's own workers may outlive it by a moment and keep its port.
        if self._process is not None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                return

    def last_words(self, lines: int = 5) -> str:
        """Return the end of its log, for error messages."""
        try:
            return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""


class Crew:
    """All children of one supervisor, tended by one thread."""

    def __init__(self, log_folder: Path) -> None:
        self._log_folder = log_folder
        self._children: dict[str, Child] = {}
        self._stopping = threading.Event()
        self._tender = threading.Thread(target=self._tend, name="crew", daemon=True)

    @property
    def children(self) -> Sequence[Child]:
        """The children in the order of their start."""
        return tuple(self._children.values())

    def start(self, program: Program) -> Child:
        """Start a program and keep it running."""
        child = Child(program, self._log_folder)
        try:
            child.start()
        except OSError as error:
            raise LocalError(f"{program.name} cannot be started: {error}.") from error
        self._children[program.name] = child
        if not self._tender.is_alive():
            self._tender.start()
        return child

    def stop(self) -> None:
        """Stop everything, last started first."""
        self._stopping.set()
        if self._tender.is_alive():
            self._tender.join()
        for child in reversed(self.children):
            child.stop()

    def _tend(self) -> None:
        while not self._stopping.wait(0.1):
            for child in self.children:
                child.tend()
