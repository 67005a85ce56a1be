from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench import accuracy
from bench.harness import Results


def query(*, hit: tuple[str, float, float, bool] | None, neg: bool = False, **other: Any) -> dict[str, Any]:
    asked = {"item": "a", "start": 5.0, "rate": 1.0, "len": 10, "deg": "tel", "kind": "music", "neg": neg, "cpu": 0.02}
    return asked | {"hits": [list(hit)] if hit else []} | other


def test_a_hit_is_right_within_half_a_second_and_what_the_speed_allows() -> None:
    assert accuracy.is_right(query(hit=("a", 5.4, 1.0, True)))
    assert not accuracy.is_right(query(hit=("a", 5.6, 1.0, True)))
    assert accuracy.is_right(query(hit=("a", 5.6, 1.0, True), rate=1.02))
    assert not accuracy.is_right(query(hit=("b", 5.0, 1.0, True)))
    assert not accuracy.is_right(query(hit=None))


def test_recall_at_a_rate_of_false_positives_uses_the_score_of_the_negatives() -> None:
    queries = [query(hit=None, neg=True)] * 999 + [query(hit=("b", 0.0, 3.0, True), neg=True)]
    assert accuracy.strictest_score(queries, 0.0) == 3.0
    assert accuracy.strictest_score(queries, 0.001) == float("-inf")


def test_figures_name_the_worst_kind_and_count_what_is_wrong() -> None:
    queries = [
        query(hit=("a", 5.002, 9.0, True)),
        query(hit=("b", 5.0, 9.0, True), deg="babble0"),
        query(hit=("b", 5.0, 9.0, True), neg=True),
        query(hit=None, neg=True),
    ]
    table = accuracy.figures(Results({"x_realtime_cpu": 400.0, "bytes_per_hour": 2e6}, queries))

    assert table["recall by own rule, 3 / 5 / 10 / 30 s, %"] == "– / – / 50.0 / –"
    assert table["worst kind of damage at 10 s, own rule, %"] == "0.0 (babble0)"
    assert table["accepted on clips that are nowhere"] == "1 of 2"
    assert table["wrong recording accepted"] == "1"
    assert table["start time error, median, ms"] == "2"


def test_the_table_replaces_what_stood_between_the_marks(tmp_path: Path) -> None:
    document, source = tmp_path / "benchmarks.md", tmp_path / "accuracy.json"
    document.write_text(f"before\n{accuracy.BEGIN}\nold\n{accuracy.END}\nafter\n")
    systems = {"SonicGen": {"size": "1"}, "fpcalc": {"speed": "2"}}
    source.write_text(json.dumps({"when": "2026-01-01", "queries": 4, "systems": systems}))

    accuracy.write_table(document, source)

    assert document.read_text() == (
        f"before\n{accuracy.BEGIN}\n4 queries, 2026-01-01:\n\n|  | SonicGen | fpcalc |\n| --- | --- | --- |\n"
        f"| size | 1 | – |\n| speed | – | 2 |\n{accuracy.END}\nafter\n"
    )
