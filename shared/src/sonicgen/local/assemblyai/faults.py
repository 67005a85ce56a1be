"""What the stand-in was told to do wrong, for tests of everything that depends on it.

A fault belongs to a place and happens `times` times:

upload, submit, get, list, delete   the calls: {"status": 500}, {"status": 429, "retry_after": 2}, {"drop": true} (no
                                    answer), {"exit": true} (the server dies); with "after": true only once the call
                                    has had its effect; {"delay_seconds": 3} on its own only makes it slow
work                                {"error": "…"}, {"delay_seconds": 60}, {"exit": true}
webhook                             {"calls": 0} never, {"calls": 2} twice at once, {"delay_seconds": 60} late
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sonicgen.errors import InputError
from sonicgen.local.sqlite import Database

PLACES = frozenset({"upload", "submit", "get", "list", "delete", "work", "webhook"})
_FIELDS = frozenset({"status", "retry_after", "drop", "exit", "after", "delay_seconds", "error", "calls"})


def add_fault(database: Database, order: Mapping[str, Any]) -> None:
    """Keep a fault {"place": …, "times": 1, and what happens}; raise InputError when it names no place or effect."""
    place = str(order.get("place"))
    fault = {key: value for key, value in order.items() if key not in {"place", "times"}}
    if place not in PLACES:
        raise InputError(f"A fault's place is one of {', '.join(sorted(PLACES))}, not {place}.")
    if not fault or set(fault) - _FIELDS:
        raise InputError(f"A fault has at least one of {', '.join(sorted(_FIELDS))} and nothing else.")
    database.run("insert_fault", place=place, fault=json.dumps(fault), times=int(order.get("times", 1)))


def take_fault(database: Database, place: str) -> dict[str, Any]:
    """Return what is to go wrong at a place now, and count it; empty when nothing is."""
    row = database.one("take_fault", place=place)
    if row is None:
        return {}
    database.run("delete_used_faults")
    fault: dict[str, Any] = json.loads(row["fault"])
    return fault


def list_faults(database: Database) -> list[dict[str, Any]]:
    """Return what is still to go wrong."""
    return [
        {"place": row["place"], "times": row["times"], **json.loads(row["fault"])}
        for row in database.all("list_faults")
    ]
