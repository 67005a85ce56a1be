"""Accuracy, speed and size beside the prototype's and Chromaprint's on the same queries: the command `accuracy`."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bench import harness

OURS, MEMORY, PROTOTYPE, FPCALC = "sonicgen_postgres", "sonicgen_memory", "proto_t3", "chromaprint_peer"
NAMES = {OURS: "SonicGen", PROTOTYPE: "prototype T3", FPCALC: "fpcalc"}
FALSE_POSITIVE_RATE = 0.001
OFFSET_SECONDS = 0.5
LENGTHS = (3, 5, 10, 30)
FIGURES = harness.WORK / "accuracy.json"
HOUR = harness.WORK / "hour.json"
DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- accuracy: begin -->", "<!-- accuracy: end -->"

Query = dict[str, Any]
Figures = dict[str, dict[str, str]]


def top(query: Query) -> list[Any] | None:
    """Return the best hit (id, offset, score, accepted), None when there is none."""
    return query["hits"][0] if query["hits"] else None


def is_accepted(query: Query) -> bool:
    """Return whether the system's own rule accepts its best hit."""
    hit = top(query)
    return hit is not None and bool(hit[3])


def is_right(query: Query) -> bool:
    """Return whether the best hit is the right recording at the right second, as the harness counts it."""
    hit = top(query)
    if hit is None or query["neg"] or hit[0] != query["item"]:
        return False
    return bool(abs(hit[1] - query["start"]) <= OFFSET_SECONDS + abs(1 - query["rate"]) * query["len"])


def score(query: Query) -> float:
    """Return the best hit's score, minus infinity when there is none."""
    hit = top(query)
    return -math.inf if hit is None else float(hit[2])


def strictest_score(queries: Iterable[Query], rate: float) -> float:
    """Return the score that at most this share of the negatives exceeds."""
    negatives = sorted((score(q) for q in queries if q["neg"]), reverse=True)
    return negatives[int(len(negatives) * rate)] if negatives else -math.inf


def percent(queries: Sequence[Query], holds: Callable[[Query], bool]) -> str:
    """Return the share of queries for which something holds, in per cent."""
    return f"{100 * np.mean([holds(q) for q in queries]):.1f}" if queries else "–"


def worst_kind(queries: Sequence[Query]) -> str:
    """Return the kind of damage with the lowest recall, and that recall in per cent."""
    kinds: dict[str, list[Query]] = defaultdict(list)
    for query in queries:
        kinds[query["deg"]].append(query)
    if not kinds:
        return "–"
    recall = {kind: float(np.mean([is_accepted(q) and is_right(q) for q in some])) for kind, some in kinds.items()}
    kind = min(recall, key=recall.__getitem__)
    return f"{100 * recall[kind]:.1f} ({kind})"


def milliseconds(queries: Sequence[Query]) -> str:
    """Return median and 95 % quantile of the CPU time."""
    if not queries:
        return "–"
    p50, p95 = 1e3 * np.percentile([q["cpu"] for q in queries], [50, 95])
    return f"{p50:.0f}, {p95:.0f}"


def figures(results: harness.Results) -> dict[str, str]:
    """Return one system's figures by row."""
    queries = results.queries
    known = [q for q in queries if not q["neg"]]
    nowhere = [q for q in queries if q["neg"]]
    bar = strictest_score(queries, FALSE_POSITIVE_RATE)
    by_length = {length: [q for q in known if q["len"] == length] for length in LENGTHS}
    right = [q for q in known if is_accepted(q) and is_right(q)]
    errors = [abs(q["hits"][0][1] - q["start"]) for q in right]
    ten = by_length[10]
    return {
        "recall at ≤ 0.1 % false positives, 3 / 5 / 10 / 30 s, %": " / ".join(
            percent(some, lambda q: score(q) > bar and is_right(q)) for some in by_length.values()
        ),
        "recall by own rule, 3 / 5 / 10 / 30 s, %": " / ".join(
            percent(some, lambda q: is_accepted(q) and is_right(q)) for some in by_length.values()
        ),
        "worst kind of damage at 10 s, own rule, %": worst_kind(ten),
        "the same, music alone, %": worst_kind([q for q in ten if q["kind"] == "music"]),
        "accepted on clips that are nowhere": f"{sum(map(is_accepted, nowhere))} of {len(nowhere)}",
        "wrong recording accepted": str(sum(is_accepted(q) and q["hits"][0][0] != q["item"] for q in known)),
        "start time error, median, ms": f"{1e3 * statistics.median(errors):.0f}" if errors else "–",
        "index the corpus, × real time of CPU": f"{results.info['x_realtime_cpu']:.0f}",
        "size of the index, MB an hour": f"{results.info['bytes_per_hour'] / 1e6:.2f}",
        "CPU of a 10 s query that is found, p50, p95, ms": milliseconds([q for q in ten if is_accepted(q)]),
        "CPU of a 10 s query that is nowhere, p50, p95, ms": milliseconds([q for q in nowhere if q["len"] == 10]),
    }


def measure_hour() -> dict[str, str]:
    """Index an hour-long file with all systems, beside bare decoding of it; keep the ratios for the table."""
    if not harness.is_there():
        return {"skipped": f"there is no benchmark in {harness.HARNESS}"}
    costs = harness.hour_costs([*_adapters(), MEMORY])
    ratios = {name: cost / costs["ffmpeg"] for name, cost in costs.items()}
    HOUR.write_text(json.dumps(ratios))
    return {name: f"{costs[name]:.2f} s, {ratio:.2f} ×" for name, ratio in ratios.items()}


def _adapters() -> list[str]:
    return [OURS, PROTOTYPE] if harness.programs_missing("fpcalc") else [OURS, PROTOTYPE, FPCALC]


def add_hour(table: Figures, adapters: Sequence[str]) -> None:
    """Add what an hour-long file costs, beside bare decoding of it."""
    if not HOUR.exists():
        return
    ratios = json.loads(HOUR.read_text())
    for adapter in adapters:
        row = "index an hour of mp3, CPU over bare ffmpeg decoding"
        table[NAMES[adapter]][row] = f"{ratios[adapter]:.2f} ×" if adapter in ratios else "–"
    row = "the same without storing (decode, fingerprint, landmarks)"
    table[NAMES[OURS]][row] = f"{ratios[MEMORY]:.2f} ×"


def measure_accuracy(folders: Sequence[Path] = (), share: float = 1.0, only: Sequence[str] = ()) -> dict[str, str]:
    """Run all systems on the same queries, print the table, keep it as JSON; return where it is.

    `folders`: query sets that are there; without any, one of 10 recordings of each kind is made (1,800 queries).
    `share`: about which share of the queries to ask. `only`: the adapters to run anew, all by default.
    """
    if not harness.is_there():
        return {"skipped": f"there is no benchmark in {harness.HARNESS}"}
    if missing := harness.programs_missing("ffmpeg"):
        return {"skipped": f"{missing[0]} is not installed"}
    began = time.monotonic()
    if not folders:
        folders = [harness.WORK / "queries"]
        harness.make_queries(folders[0], "--items", "10")
    queries = harness.sample(folders, share)
    adapters = _adapters()
    results = {}
    for adapter in adapters:
        is_wanted = not only or adapter in only
        out = harness.WORK / "results"
        results[adapter] = (
            harness.run_adapter(adapter, queries, out) if is_wanted else harness.read_results(out, adapter)
        )
    table = {NAMES[adapter]: figures(result) for adapter, result in results.items()}
    add_hour(table, adapters)
    if FPCALC not in adapters:
        table[NAMES[FPCALC]] = {"": "not installed (libchromaprint-tools)"}
    count = len(results[OURS].queries)
    FIGURES.write_text(
        json.dumps({"when": f"{datetime.now(UTC):%Y-%m-%d}", "queries": count, "systems": table}, indent=1)
    )
    show(table)
    return {"queries": str(count), "took": f"{time.monotonic() - began:.0f} s", "figures": str(FIGURES)}


def rows_of(table: Figures) -> list[list[str]]:
    """Return the table with its heading: a row for each figure, a column for each system."""
    names = list(dict.fromkeys(row for system in table.values() for row in system))
    return [["", *table], *([name, *(system.get(name, "–") for system in table.values())] for name in names)]


def show(table: Figures) -> None:
    """Print the table."""
    heading, *rows = rows_of(table)
    printed = Table(*heading)
    for row in rows:
        printed.add_row(*row)
    Console().print(printed)


def write_table(document: Path = DOCUMENT, source: Path = FIGURES) -> dict[str, str]:
    """Put the last figures into the document, between the marks."""
    kept = json.loads(source.read_text())
    heading, *rows = rows_of(kept["systems"])
    lines = ["| " + " | ".join(row) + " |" for row in (heading, ["---"] * len(heading), *rows)]
    text = document.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    said = f"{kept['queries']} queries, {kept['when']}:"
    document.write_text(f"{before}{BEGIN}\n{said}\n\n" + "\n".join(lines) + f"\n{END}{after}")
    return {"written": str(document)}
