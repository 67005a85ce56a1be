"""What asking in tiers saves, and that it changes no decision.

Every query of one or more sets (bench/fingerprint of the shared folder makes them) is searched for with tiers and
without; the answers are compared.

    python -m bench.tiers --corpus FOLDER --queries FOLDER [FOLDER...]
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.fingerprint.scale import read_corpus
from sonicgen.domain.match import Decision, Match
from sonicgen.match import plan
from sonicgen.match.index import Postings
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.search import find_matches, warm_up
from sonicgen.match.stream import LOOKS_SECONDS, find_in_stream
from sonicgen.sound.decode import decode_blocks
from sonicgen.sound.fingerprint import Fingerprint, fingerprint

# Starts differ by less where the same landmarks were fitted from another candidate.
SAME_START_SECONDS = 0.1


class CountingIndex(MemoryIndex):
    """Counts the keys that it is asked for and the calls."""

    asked = calls = 0

    def postings(self, keys: np.ndarray) -> Postings:
        self.asked += len(keys)
        self.calls += 1
        return super().postings(keys)


@dataclass(frozen=True)
class Answer:
    """What a search said and cost."""

    matches: list[Match]
    keys: int
    calls: int
    cpu_ms: float

    @property
    def decision(self) -> tuple[int, float] | None:
        """The recording it names, and where; None when nothing is sure."""
        best = next((match for match in self.matches if match.decision is Decision.MATCH), None)
        return None if best is None else (best.recording, best.reference_start_seconds - best.query_start_seconds)


def search(index: CountingIndex, clip: Fingerprint, tiers: tuple[float, ...]) -> Answer:
    """Search with the given tiers."""
    kept, plan.TIERS = plan.TIERS, tiers
    asked, calls, started = index.asked, index.calls, time.process_time()
    try:
        matches = find_matches(clip, index)
    finally:
        plan.TIERS = kept
    return Answer(matches, index.asked - asked, index.calls - calls, 1e3 * (time.process_time() - started))


def is_same(one: Answer, other: Answer) -> bool:
    """Whether two answers decide the same."""
    if one.decision is None or other.decision is None:
        return one.decision is other.decision
    apart = abs(one.decision[1] - other.decision[1])
    return one.decision[0] == other.decision[0] and apart < SAME_START_SECONDS


def compare_streams(index: CountingIndex, folders: list[Path]) -> None:
    """Print how soon a stream of ten seconds is left, and whether what was said then is what the whole says."""
    outcomes: Counter[str] = Counter()
    left = []
    for folder in folders:
        for query in map(json.loads, (folder / "queries.jsonl").open()):
            if query["len"] != max(LOOKS_SECONDS):
                continue
            *_, last = find_in_stream(decode_blocks(folder / query["file"]), index)
            whole = search(index, fingerprint(folder / query["file"]), plan.TIERS)
            heard = Answer(last.matches, 0, 0, 0.0)
            outcomes["same" if is_same(whole, heard) else "other"] += 1
            if not is_same(whole, heard):
                print(query["file"], round(last.seconds), whole.decision, heard.decision, flush=True)
            if whole.decision:
                left.append(last.seconds)
    shares = {f"{seconds:.0f} s": float(np.mean(np.array(left) <= seconds + 0.1)) for seconds in LOOKS_SECONDS}
    print("streams:", dict(outcomes), f"left after {np.mean(left):.1f} s on average;", "by", shares)


def main() -> None:
    """Compare, query by query."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--queries", type=Path, nargs="+", required=True)
    options = parser.parse_args()
    warm_up()
    index = CountingIndex()
    for number, one in enumerate(read_corpus(options.corpus)):
        index.add(number, one)
    tiers = plan.TIERS
    outcomes: Counter[str] = Counter()
    costs: dict[str, list[tuple[Answer, Answer]]] = {"found": [], "nowhere": []}
    for folder in options.queries:
        for query in map(json.loads, (folder / "queries.jsonl").open()):
            clip = fingerprint(folder / query["file"])
            plain, tiered = search(index, clip, (1.0,)), search(index, clip, tiers)
            outcomes["same" if is_same(plain, tiered) else "other"] += 1
            if not is_same(plain, tiered):
                print(query["file"], query["len"], plain.decision, tiered.decision, flush=True)
            costs["found" if plain.decision else "nowhere"].append((plain, tiered))
    print("tiers:", dict(outcomes))
    for kind, pairs in costs.items():
        for i, name in enumerate(("without tiers", "with tiers")):
            keys, calls, cpu = (np.array([getattr(p[i], x) for p in pairs]) for x in ("keys", "calls", "cpu_ms"))
            middle, high = np.percentile(cpu, [50, 95])
            print(
                f"{kind} ({len(pairs)}), {name}: keys mean {keys.mean():,.0f} p50 {np.median(keys):,.0f}; calls mean "
                f"{calls.mean():.1f}; CPU ms mean {cpu.mean():.1f} p50 {middle:.1f} p95 {high:.1f}"
            )
    compare_streams(index, options.queries)


if __name__ == "__main__":
    main()
