"""`python -m bench [NAME…]`: run the named measurements, or all, and print their figures.

The figures in docs/ and in the README come from here. They depend on the machine: compare within one run.
"""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from bench import search, speeds, system

MEASUREMENTS = {
    "start": system.measure_start,
    "ten-hours": system.measure_ten_hours,
    "archive": system.measure_archive,
    "speeds": speeds.measure_speeds,
    "search": search.measure_search,
}


def main() -> None:
    """Run what the command line names."""
    names = sys.argv[1:] or list(MEASUREMENTS)
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        sys.exit(f"No such measurement: {', '.join(unknown)}. There are: {', '.join(MEASUREMENTS)}.")
    table = Table("measurement", "figure", "value")
    for name in names:
        for figure, value in MEASUREMENTS[name]().items():
            table.add_row(name, figure, value)
    Console().print(table)


if __name__ == "__main__":
    main()
