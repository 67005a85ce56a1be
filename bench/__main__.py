"""`python -m bench [NAME…]`: run the named measurements, or all, and print their figures.

The figures in docs/ and in the README come from here. They depend on the machine: compare within one run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import accuracy, backup, cold, console, embedder, faults, identify, search, speeds, storing, system, warps
from bench.load import run as load
from bench.voices import compare

NOT_BY_DEFAULT = ("table", "voices", "load", "faults")


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--queries", type=Path, action="append", default=[], help="accuracy: a folder of queries")
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        help="accuracy: ask about this share of the queries; backup: of the recordings; load: of the day",
    )
    parser.add_argument("--only", action="append", default=[], help="accuracy: run this adapter anew, keep the others")
    options = parser.parse_args()
    measurements: dict[str, Callable[[], dict[str, str]]] = {
        "start": system.measure_start,
        "ten-hours": system.measure_ten_hours,
        "archive": system.measure_archive,
        "backup": partial(backup.measure_backup, options.share),
        "cold": cold.measure_cold,
        "search": search.measure_search,
        "console": console.measure_console,
        "speeds": speeds.measure_speeds,
        "warps": warps.measure_warps,
        "embedder": embedder.measure_embedder,
        "gallery": identify.measure_gallery,
        "identify": identify.measure_identify,
        "storing": storing.measure_storing,
        "hour": accuracy.measure_hour,
        "accuracy": partial(accuracy.measure_accuracy, options.queries, options.share, options.only),
        "voices": compare.measure_voices,
        "faults": faults.measure_faults,
        "load": partial(load.measure_load, options.share),
        "table": accuracy.write_table,
    }
    names = options.names or [name for name in measurements if name not in NOT_BY_DEFAULT]
    unknown = [name for name in names if name not in measurements]
    if unknown:
        parser.error(f"No such measurement: {', '.join(unknown)}. There are: {', '.join(measurements)}.")
    table = Table("measurement", "figure", "value")
    for name in names:
        for figure, value in measurements[name]().items():
            table.add_row(name, figure, value)
    Console().print(table)


if __name__ == "__main__":
    main()
