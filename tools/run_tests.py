"""Run all tests: parts and the whole system in two processes side by side, then what failed once more, alone.

Tests of the whole mostly wait for processes that they started; tests of parts compute. Where seconds matter (leases,
deadlines, a browser's patience), a machine that others share can make any test fail: it counts when it fails alone too.
What failed only once is named at the end.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

WHOLE = ("tests/acceptance", "tests/terraform", "tests/web")
PARTS = ("tests", *(f"--ignore={folder}" for folder in WHOLE))
CACHE = Path(".pytest_cache")
# More than these fail when something is broken, which a second run only shows later.
MOST_AGAIN = 30
TESTS_FAILED = 1  # pytest's exit code


@dataclass(frozen=True)
class Half:
    """Some of the tests, and where pytest keeps what it knows of their last run."""

    name: str
    arguments: tuple[str, ...]

    @property
    def cache(self) -> Path:
        """Of its own: the two halves would overwrite each other's."""
        return CACHE / self.name

    def start(self, *more: str, output: BinaryIO | None = None) -> subprocess.Popen[bytes]:
        """Start pytest on it."""
        command = [sys.executable, "-m", "pytest", "-o", f"cache_dir={self.cache}", *self.arguments, *more]
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT if output else None)

    def failed(self) -> list[str]:
        """Return the tests that failed in the last run."""
        kept = self.cache / "v" / "cache" / "lastfailed"
        return sorted(json.loads(kept.read_text("utf-8"))) if kept.exists() else []


HALVES = (Half("parts", PARTS), Half("whole", WHOLE))


def run_side_by_side() -> dict[Half, int]:
    """Run both halves and return their exit codes; what the second says is shown when the first is over."""
    parts, whole = HALVES
    with tempfile.TemporaryFile() as output:
        running = {parts: parts.start(), whole: whole.start(output=output)}
        try:
            codes = {half: process.wait() for half, process in running.items()}
        finally:
            for process in running.values():
                if process.poll() is None:
                    process.terminate()
        output.seek(0)
        sys.stdout.flush()
        shutil.copyfileobj(output, sys.stdout.buffer)
        sys.stdout.flush()
    return codes


def run_again(half: Half) -> tuple[int, list[str]]:
    """Run alone what failed; return pytest's exit code, and what passed this time."""
    before = half.failed()
    if not before or len(before) > MOST_AGAIN:
        return TESTS_FAILED, []
    print(f"\n{len(before)} of {half.name} failed; alone, once more:", flush=True)
    code = half.start("--last-failed", "--last-failed-no-failures=none").wait()
    return code, sorted(set(before) - set(half.failed()))


def main() -> int:
    """Return 0 when every test has passed at least once."""
    shutil.rmtree(CACHE, ignore_errors=True)  # what failed in an earlier run is no business of this one
    codes = run_side_by_side()
    passed_alone: list[str] = []
    for half, code in codes.items():
        if code == TESTS_FAILED:
            codes[half], passed = run_again(half)
            passed_alone += passed
    for test in passed_alone:
        print(f"failed once, and passed alone: {test}")
    return max(codes.values())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
