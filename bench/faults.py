"""The catalogue of faults in its long form; see docs/faults.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 10
_REPOSITORY = Path(__file__).parents[1]


def measure_faults() -> dict[str, str]:
    """Every fault of the catalogue ROUNDS times, and the model for as many runs more."""
    environment = {"SONICGEN_FAULT_ROUNDS": str(ROUNDS)} | dict(os.environ)
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-o", "timeout=3600"]
    started = time.monotonic()
    done = subprocess.run(
        [*command, "tests/acceptance/faults", "tests/fuzz"],
        cwd=_REPOSITORY, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    failed = re.findall(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
    if done.returncode and not failed:
        raise RuntimeError(done.stdout[-2_000:] + done.stderr[-2_000:])
    kills = re.findall(r"killed at \d+ of \d+ moments", done.stdout)
    return {
        "rounds": environment["SONICGEN_FAULT_ROUNDS"],
        "took": f"{time.monotonic() - started:.0f} s",
        "what came of it": done.stdout.strip().splitlines()[-1].strip("= "),
        "kills": ", ".join(kills),
        "failed": ", ".join(failed) or "none",
    }
