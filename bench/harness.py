"""The fingerprint benchmark in ../shared/bench/fingerprint, run as it is: queries, adapters, results."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.system import SHARED

HARNESS = SHARED / "bench" / "fingerprint"
CORPUS = SHARED / "data" / "recordings"
ADAPTERS = Path(__file__).parent / "fingerprint"
WORK = Path(__file__).parents[1] / "build" / "bench"
HOUR_SECONDS = 3_600
HOUR_ROUNDS = 3
_PCM = ("-ac", "2", "-ar", "44100", "-f", "s16le", "-")
_PCM_BYTES_PER_SECOND = 2 * 2 * 44_100


@dataclass(frozen=True, slots=True)
class Results:
    """What the harness wrote about one adapter: the cost of indexing, and one entry a query."""

    info: dict[str, Any]
    queries: list[dict[str, Any]] = field(default_factory=list)


def is_there() -> bool:
    """Return whether the harness and its recordings are beside this project."""
    return (HARNESS / "run.py").exists() and (CORPUS / "manifest.csv").exists()


def _environment(adapter: str = "") -> dict[str, str]:
    """Our adapters can be imported, and nothing is written beside the harness."""
    paths = [str(ADAPTERS), str(HARNESS / "adapters")]
    if importlib.util.find_spec("soundfile") is None:
        paths.append(str(ADAPTERS / "without_soundfile"))
    compiled = {} if adapter.startswith("sonicgen") else {"NUMBA_CACHE_DIR": str(WORK / "numba")}  # ours is compiled
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"} | compiled


def make_queries(folder: Path, *options: str) -> None:
    """Cut and damage the clips, unless they are there; needs ffmpeg with rubberband."""
    if (folder / "queries.jsonl").exists():
        return
    # One at a time: two that need the same recording first get in each other's way.
    command = [sys.executable, "make_queries.py", "--corpus", str(CORPUS), "--out", str(folder), "--jobs", "1"]
    subprocess.run([*command, *options], cwd=HARNESS, env=_environment(), check=True)


def sample(folders: Sequence[Path], share: float) -> Path:
    """Return a folder with about this share of all queries, always the same ones; files stay where they are."""
    out = WORK / "sample"
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    for folder in folders:
        for line in (folder / "queries.jsonl").read_text().splitlines():
            query = json.loads(line)
            if zlib.crc32(query["qid"].encode()) % 10_000 < share * 10_000:
                query["file"] = os.path.relpath(folder.resolve() / query["file"], out.resolve())
                lines.append(json.dumps(query) + "\n")
    (out / "queries.jsonl").write_text("".join(lines))
    return out


def run_adapter(adapter: str, queries: Path, out: Path, *options: str) -> Results:
    """Run the harness with one adapter and return what it wrote."""
    out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "run.py", adapter, "--corpus", str(CORPUS), "--queries", str(queries)]
    subprocess.run([*command, "--out", str(out), *options], cwd=HARNESS, env=_environment(adapter), check=True)
    return read_results(out, adapter)


def read_results(out: Path, adapter: str) -> Results:
    """Return what a run wrote."""
    lines = (out / f"{adapter}.jsonl").read_text().splitlines()
    return Results(json.loads((out / f"{adapter}.json").read_text()), [json.loads(line) for line in lines])


def make_hour(path: Path) -> None:
    """Write an hour of the benchmark's recordings as stereo mp3 at 128 kb/s, unless it is there."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with (CORPUS / "manifest.csv").open() as manifest:
        files = [CORPUS / row["file"] for row in csv.DictReader(manifest) if row["role"] == "db"]
    raw, draft = path.with_suffix(".raw"), path.with_suffix(".part.mp3")
    with raw.open("wb") as out:
        for file in files:
            if out.tell() > HOUR_SECONDS * _PCM_BYTES_PER_SECOND:
                break
            command = ["ffmpeg", "-v", "error", "-i", str(file), "-map", "0:a:0", *_PCM]
            subprocess.run(command, stdout=out, check=True)
            out.seek(0, os.SEEK_END)
    form = ("-f", "s16le", "-ac", "2", "-ar", "44100")
    encode = ["ffmpeg", "-v", "error", "-y", *form, "-i", str(raw), "-t", str(HOUR_SECONDS), "-b:a", "128k", str(draft)]
    subprocess.run(encode, check=True)
    raw.unlink()
    draft.rename(path)


def hour_costs(adapters: Sequence[str]) -> dict[str, float]:
    """Return CPU seconds for an hour of mp3: bare ffmpeg ("ffmpeg") and each adapter; medians of rounds in turn."""
    hour = WORK / "hour.mp3"
    make_hour(hour)
    costs: dict[str, list[float]] = {name: [] for name in ("ffmpeg", *adapters)}
    for _ in range(HOUR_ROUNDS):
        costs["ffmpeg"].append(_ffmpeg_seconds(hour))
        for adapter in adapters:
            command = [sys.executable, str(ADAPTERS / "index_cost.py"), adapter, str(hour)]
            done = subprocess.run(command, env=_environment(adapter), check=True, capture_output=True, text=True)
            costs[adapter].append(float(done.stdout.split()[-1]))
    return {name: statistics.median(some) for name, some in costs.items()}


def _ffmpeg_seconds(path: Path) -> float:
    before = os.times()
    decode = ["ffmpeg", "-v", "error", "-threads", "1", "-i", str(path), "-map", "0:a:0"]
    subprocess.run([*decode, "-ac", "1", "-ar", "11025", "-f", "f32le", "-y", os.devnull], check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def programs_missing(*names: str) -> list[str]:
    """Return which programs are not on the PATH."""
    return [name for name in names if shutil.which(name) is None]
