"""Work on a backfill, beside the other tasks of the same execution.

python -m sonicgen.jobs.backfill [ID | SOURCE]

Without an argument it is the inbox's: everything that no recording is known of takes the way of an upload.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from sonicgen.steps.backfill import find_or_begin, run_backfill
from sonicgen.steps.fingerprint_match import prepare
from sonicgen.steps.services import services


def main() -> None:
    """Do the work; started again it goes on where it, or another task, was stopped."""
    prepare()
    used = services()
    stopping = threading.Event()
    # What is under way is finished; Cloud Run gives ten seconds, and the rest is somebody else's after its lease.
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    index = int(os.environ.get("CLOUD_RUN_TASK_INDEX", "0"))
    count = int(os.environ.get("CLOUD_RUN_TASK_COUNT", "1"))
    execution = os.environ.get("CLOUD_RUN_EXECUTION", f"process-{os.getpid()}")
    identifier = find_or_begin(used, sys.argv[1] if len(sys.argv) > 1 else None)
    run_backfill(used, identifier, f"{execution}/{index}", index=index, count=count, stopping=stopping)
    used.close()


if __name__ == "__main__":
    main()
