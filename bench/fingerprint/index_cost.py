"""CPU seconds that an adapter of the harness takes to index one file: `python index_cost.py ADAPTER FILE`.

The harness's own adapters must be on PYTHONPATH. A server that the adapter keeps counts too.
"""

from __future__ import annotations

import importlib
import resource
import sys


def main() -> None:
    """Print the seconds."""
    adapter = importlib.import_module(sys.argv[1]).Adapter()

    def cpu_seconds() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in used) + float(getattr(adapter, "extra_cpu", lambda: 0)())

    before = cpu_seconds()
    adapter.index({"file": sys.argv[2]})
    print(cpu_seconds() - before)


if __name__ == "__main__":
    main()
