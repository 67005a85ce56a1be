"""What is measured while the load runs: memory of every process, bytes on the disk, what waits, what is final."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil

from bench.system import pss_bytes
from sonicgen.local.supervisor import System
from sonicgen.steps.services import Services

EVERY_SECONDS = 10.0
_FINAL_EVERY_SECONDS = 0.5


@dataclass(slots=True)
class Sample:
    """How things stood at one moment; sizes in MB."""

    seconds: float
    memory: dict[str, float]
    disk: dict[str, float]
    waiting: int
    final: int


@dataclass(slots=True)
class Watch:
    """Looks at the system in the background; `finals` says when each recording was seen to be final."""

    system: System
    services: Services
    started: float
    samples: list[Sample] = field(default_factory=list)
    finals: dict[UUID, float] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def begin(self) -> None:
        """Look from now on."""
        for look, pause in ((self._look, EVERY_SECONDS), (self._see_finals, _FINAL_EVERY_SECONDS)):
            thread = threading.Thread(target=self._repeat, args=(look, pause), daemon=True)
            thread.start()
            self._threads.append(thread)

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def to_json(self) -> list[dict[str, object]]:
        """Return the samples for a file."""
        return [asdict(sample) for sample in self.samples]

    def _repeat(self, look: Callable[[], None], pause: float) -> None:
        while not self._ended.wait(pause):
            try:
                look()
            except Exception as error:  # what cannot be seen now is seen the next time
                self.troubles.append(f"{type(error).__name__}: {error}")

    def _look(self) -> None:
        self.samples.append(
            Sample(time.monotonic() - self.started, self._memory(), self._disk(), self._waiting(), len(self.finals))
        )

    def _memory(self) -> dict[str, float]:
        found = {}
        for child in self.system.crew.children:
            if child.pid:
                with suppress(psutil.NoSuchProcess):
                    process = psutil.Process(child.pid)
                    found[child.program.name] = _tree_mb(process)
        return found

    def _disk(self) -> dict[str, float]:
        folder = self.system.folder
        return {
            name: _folder_mb(path)
            for name, path in (
                ("postgres", folder.postgres), ("objects", folder.objects), ("bus and documents", folder.cloud),
                ("logs", folder.logs),
            )
        }  # fmt: skip

    def _waiting(self) -> int:
        with suppress(OSError, ValueError):
            return sum(int(queue["queued"]) + int(queue["in_flight"]) for queue in _read(self.system.folder.queues))
        return 0

    def _see_finals(self) -> None:
        with self.services.database.transaction() as connection:
            rows = connection.execute("select id from videos where match_status not in ('pending')").fetchall()
        now = time.monotonic() - self.started
        for row in rows:
            self.finals.setdefault(row["id"], now)


def _read(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return found


def _tree_mb(process: psutil.Process) -> float:
    total = 0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += pss_bytes(one)
    return total / 1e6


def _folder_mb(folder: Path) -> float:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.lstat().st_blocks * 512
    return total / 1e6
