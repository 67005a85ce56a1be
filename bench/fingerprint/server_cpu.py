"""What a Postgres server has used of the processor."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil


def server_cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a Postgres server: itself, its processes, and those that have ended.

    On Linux in nanoseconds from /proc, which a query of a few milliseconds needs; elsewhere as psutil tells.
    """
    if sys.platform != "linux":
        living = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        return sum(process.cpu_times().user + process.cpu_times().system for process in living)
    tasks = Path(f"/proc/{pid}/task/{pid}")
    living_pids = [pid, *map(int, (tasks / "children").read_text().split())]
    nanoseconds = 0
    for one in living_pids:
        try:
            nanoseconds += int(Path(f"/proc/{one}/schedstat").read_text().split()[0])
        except FileNotFoundError:  # it has ended meanwhile and counts among the ended
            continue
    ended = psutil.Process(pid).cpu_times()
    return nanoseconds / 1e9 + float(ended.children_user + ended.children_system)
