"""What there is in the cloud, by name: functions, containers, jobs, topics, buckets, secrets.

`topology.json` beside this module is the one place for these names and sizes. Terraform reads the same file
(`infra/terraform/locals.tf`), the embedded cloud reads it through here, and the bundles and locked requirements of the
functions are made from it. To add a function: a folder in `functions/` and one entry there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_suffix(".json")


@dataclass(frozen=True, slots=True)
class Function:
    """One function. `topic` is None for those that are called over HTTP.

    `at_once` is how many events the embedded cloud gives it at a time (None: one a worker process); `extras` are the
    package's extras that it needs; `is_compiled` says whether its bundle brings machine code along.
    """

    name: str
    topic: str | None
    publishes: tuple[str, ...]
    extras: tuple[str, ...]
    secrets: tuple[str, ...]
    timeout_seconds: int
    is_compiled: bool
    at_once: int | None
    shares_a_process: bool


@dataclass(frozen=True, slots=True)
class Topology:
    """All of it; `raw` is the file as it is."""

    functions: Mapping[str, Function]
    wrapped_topics: Mapping[str, bool]
    dead_letter_topic: str
    dead_letter_subscription: str
    ack_deadline_seconds: int
    max_delivery_attempts: int
    raw: Mapping[str, Any]

    @property
    def topics(self) -> tuple[str, ...]:
        """Every topic, the dead letters' last."""
        return (*self.wrapped_topics, self.dead_letter_topic)

    @property
    def event_functions(self) -> tuple[Function, ...]:
        """The functions that events drive."""
        return tuple(function for function in self.functions.values() if function.topic is not None)

    @property
    def http_functions(self) -> tuple[str, ...]:
        """The names of the functions that are called over HTTP."""
        return tuple(function.name for function in self.functions.values() if function.topic is None)


def read_topology(path: Path = PATH) -> Topology:
    """Return the topology that a file describes."""
    raw = json.loads(path.read_text("utf-8"))
    return Topology(
        functions={name: _function(name, entry) for name, entry in raw["functions"].items()},
        wrapped_topics={name: topic["wrapped"] for name, topic in raw["topics"].items()},
        dead_letter_topic=raw["dead_letters"]["topic"],
        dead_letter_subscription=raw["dead_letters"]["subscription"],
        ack_deadline_seconds=raw["delivery"]["ack_deadline_seconds"],
        max_delivery_attempts=raw["delivery"]["max_delivery_attempts"],
        raw=raw,
    )


@lru_cache(maxsize=1)
def topology() -> Topology:
    """Return this installation's topology."""
    return read_topology()


def _function(name: str, entry: Mapping[str, Any]) -> Function:
    local = entry.get("local", {})
    return Function(
        name=name,
        topic=entry.get("topic"),
        publishes=tuple(entry["publishes"]),
        extras=tuple(entry["extras"]),
        secrets=tuple(entry["secrets"]),
        timeout_seconds=entry["timeout_seconds"],
        is_compiled=entry.get("compiled", False),
        at_once=local.get("at_once"),
        shares_a_process=local.get("shares_a_process", True),
    )
