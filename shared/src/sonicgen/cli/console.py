"""What the commands print with: answers to standard output, everything else to standard error."""

from __future__ import annotations

import json

from rich.console import Console
from rich.markup import escape

output = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

__all__ = ["clock", "errors", "escape", "output", "print_json"]


def clock(seconds: float | None) -> str:
    """Write a moment or a length as h:mm:ss.d, without hours when there are none."""
    if seconds is None:
        return "–"
    tenths = round(max(0.0, seconds) * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{minutes:02d}:{tenths // 10:02d}.{tenths % 10}" if hours else f"{minutes}:{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{tail}" if hours else tail


def print_json(value: object) -> None:
    """Print a value as JSON, whatever the width of the terminal."""
    output.out(json.dumps(value, ensure_ascii=False, indent=2), highlight=False)
