"""Our adapter under the benchmark's own run.py; skipped where ../shared is absent."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from bench import accuracy, harness
from sonicgen.local.demo_sounds import RATE_HZ, read_sound, write_sound

pytestmark = pytest.mark.skipif(not harness.is_there(), reason="the benchmark in ../shared is not here")

FILES = 3
LENGTH_SECONDS = 8


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    """A clip of each of the first recordings, and one of a recording that is not in the index."""
    with (harness.CORPUS / "manifest.csv").open() as manifest:
        rows = list(csv.DictReader(manifest))
    known = [row for row in rows if row["role"] == "db"][:FILES]
    foreign = [row for row in rows if row["role"] == "neg"][:1]
    lines = []
    for row in [*known, *foreign]:
        start = float(row["start"] or 2.0)
        sound = read_sound(harness.CORPUS / row["file"])[int(start * RATE_HZ) :][: LENGTH_SECONDS * RATE_HZ]
        write_sound(tmp_path / f"{row['id']}.mp3", sound, bit_rate=64_000)
        query = {"qid": row["id"], "file": f"{row['id']}.mp3", "item": row["id"], "start": start, "rate": 1}
        query |= {"len": LENGTH_SECONDS, "deg": "mp3_64", "kind": row["kind"], "neg": row["role"] == "neg"}
        lines.append(json.dumps(query) + "\n")
    (tmp_path / "queries.jsonl").write_text("".join(lines))
    return tmp_path


def test_the_adapter_runs_under_the_unchanged_harness(queries: Path) -> None:
    results = harness.run_adapter(accuracy.OURS, queries, queries / "out", "--limit", str(FILES))

    assert results.info["items"] == FILES
    assert results.info["server_cpu_s"] > 0  # the server's share of indexing counts
    assert results.info["index_bytes"] > 0
    assert [query.get("error") for query in results.queries] == [None] * (FILES + 1)
    assert [accuracy.is_accepted(q) and accuracy.is_right(q) for q in results.queries] == [True] * FILES + [False]
    assert results.queries[-1]["hits"] == []
