"""What the commands print with: answers to standard output, everything else to standard error."""

from __future__ import annotations

import json
import re

from rich.console import Console
from rich.markup import escape

from sonicgen.errors import InputError

output = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

__all__ = ["clock", "errors", "escape", "output", "print_json", "read_clock"]


def clock(seconds: float | None) -> str:
    """Write a moment or a length as h:mm:ss.d, without hours when there are none."""
    if seconds is None:
        return "–"
    tenths = round(max(0.0, seconds) * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{minutes:02d}:{tenths // 10:02d}.{tenths % 10}" if hours else f"{minutes}:{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{tail}" if hours else tail


def read_clock(text: str) -> float:
    """Return the seconds of a moment as `clock` writes it, or as a number of seconds.

    Raises InputError for anything else.
    """
    parts = text.split(":")
    if len(parts) > 3 or not all(re.fullmatch(r"[0-9]+", part) for part in parts[:-1]):
        raise InputError(f"“{text}” is no moment; write 12:34, 1:02:03.5 or seconds.")
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", parts[-1]) or any(float(part) >= 60 for part in parts[1:]):
        raise InputError(f"“{text}” is no moment; write 12:34, 1:02:03.5 or seconds.")
    seconds = 0.0
    for part in parts:
        seconds = 60 * seconds + float(part)
    return seconds


def print_json(value: object) -> None:
    """Print a value as JSON, whatever the width of the terminal."""
    output.out(json.dumps(value, ensure_ascii=False, indent=2), highlight=False)
