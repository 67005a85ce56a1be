"""Fingerprints files in a process of its own, which a broken decoder may end: `python -m tests.fuzz.decode_worker`.

Reads a path a line; answers with a line of JSON: what came of it, how long it took, and how much memory that took.
"""

from __future__ import annotations

import json
import resource
import sys
import time

from sonicgen.errors import MediaError
from sonicgen.sound.fingerprint import fingerprint, warm_up


def main() -> None:
    """Answer until there are no more lines."""
    warm_up()
    print("ready", flush=True)
    for line in sys.stdin:
        started = time.monotonic()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            made = fingerprint(line.strip())
            ended = "truncated" if made.truncated else "whole"
        except MediaError as error:
            ended = f"refused: {error.reason}"
        except Exception as error:  # which is what is looked for
            ended = f"error: {type(error).__name__}: {error}"
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(json.dumps({"ended": ended, "seconds": time.monotonic() - started, "mb": grown}), flush=True)


if __name__ == "__main__":
    main()
