"""Runs the load: recordings arrive as their times say, finds are asked all along, everything is watched."""

from __future__ import annotations

import json
import os
import random
import statistics
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import httpx

from bench.harness import WORK
from bench.load import charts
from bench.load.judge import judge_growth
from bench.load.sounds import Item, make_day
from bench.load.watch import Watch
from bench.system import embedded
from sonicgen.local.supervisor import System
from sonicgen.steps.add_recording import add_recording
from sonicgen.steps.services import Services

SHORTS, LONGS, SECONDS = 2_000, 200, 3_600.0
FINDS_PER_SECOND = 0.5
DOCS = Path(__file__).parents[2] / "docs" / "load"
_DRAIN_SECONDS = 1_800.0
# What the stand-in answers to every order: the load is of the pipeline, not of a recogniser.
_ANSWER = {
    "audio_duration": 30.0,
    "utterances": [
        {"speaker": "A", "start": 200, "end": 3_000, "confidence": 0.9, "text": "what was said",
         "words": [{"text": word, "start": 200 + 900 * n, "end": 900 + 900 * n, "confidence": 0.9, "speaker": "A"}
                   for n, word in enumerate(("what", "was", "said"))]}
    ],
}  # fmt: skip


@dataclass
class Outcome:
    """What came of a run: when each recording was added, how long each find took, and when it was asked."""

    added: dict[UUID, tuple[float, Item]] = field(default_factory=dict)
    finds: list[tuple[float, float]] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    right: int = 0
    late_seconds: float = 0.0


def measure_load(share: float) -> dict[str, str]:
    """A day of a busy archive in an hour, or a share of it in that share of an hour; charts go into docs/load."""
    duration = SECONDS * share
    day = make_day(WORK / "load" / f"{share:g}", round(SHORTS * share), round(LONGS * share), duration)
    os.environ |= {"SONICGEN_TRANSCRIPTION": "local", "SONICGEN_EMBEDDER": "off", "SONICGEN_LOG_LEVEL": "WARNING"}
    with tempfile.TemporaryDirectory(dir=WORK) as folder, embedded(Path(folder) / "data") as (system, services):
        _set_answers(services)
        outcome, watch = Outcome(), Watch(system, services, time.monotonic())
        watch.begin()
        ended = threading.Event()
        asking = threading.Thread(target=_ask_all_along, args=(system, outcome, watch, ended))
        asking.start()
        _add_all(services, day, outcome, watch)
        drained = _drain(outcome, watch)
        ended.set()
        asking.join()
        watch.end()
        transcripts = _transcripts(services)
        figures = _figures(share, day, outcome, watch, drained, transcripts)
    _write(share, outcome, watch, figures)
    return figures


def _set_answers(services: Services) -> None:
    url = services.settings.local_transcriber_url
    assert url is not None
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            httpx.post(f"{url}/_answers", json={"default": _ANSWER}, headers={"authorization": "local"}, timeout=10)
        except httpx.TransportError:
            time.sleep(0.2)
            continue
        return
    raise TimeoutError("The stand-in does not start.")


def _add_all(services: Services, day: list[Item], outcome: Outcome, watch: Watch) -> None:
    for item in day:
        wait = item.arrives - (time.monotonic() - watch.started)
        if wait > 0:
            time.sleep(wait)
        outcome.late_seconds = max(outcome.late_seconds, -wait)
        added = add_recording(services.settings, item.path)
        outcome.added[added.recording_id] = (time.monotonic() - watch.started, item)


def _drain(outcome: Outcome, watch: Watch) -> float:
    """Wait until all is final; return when that was."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    while not outcome.added.keys() <= watch.finals.keys():
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    return time.monotonic() - watch.started


def _ask_all_along(system: System, outcome: Outcome, watch: Watch, ended: threading.Event) -> None:
    chance = random.Random(5)
    with httpx.Client(base_url=system.url, timeout=120) as client:
        while not ended.wait(chance.expovariate(FINDS_PER_SECOND)):
            final = [item for key, (_, item) in list(outcome.added.items()) if item.clip and key in watch.finals]
            if not final:
                continue
            item = chance.choice(final)
            assert item.clip is not None
            began = time.monotonic()
            try:
                answer = client.post("/v1/find", files={"file": item.clip.read_bytes()})
                outcome.codes[str(answer.status_code)] += 1
                outcome.right += answer.status_code == 200 and answer.json().get("episode") == item.path.name
            except httpx.HTTPError as error:
                outcome.codes[type(error).__name__] += 1
            outcome.finds.append((began - watch.started, time.monotonic() - began))


def _transcripts(services: Services) -> dict[str, int]:
    with services.database.transaction() as connection:
        rows = connection.execute("select state, count(*) as count from transcripts group by state").fetchall()
    return {str(row["state"]): int(row["count"]) for row in rows}


def _latencies(outcome: Outcome, watch: Watch) -> list[tuple[float, float, Item]]:
    return [
        (added, watch.finals[key] - added, item) for key, (added, item) in outcome.added.items() if key in watch.finals
    ]


def _quantiles(values: list[float]) -> str:
    if len(values) < 2:
        return "none"
    cuts = statistics.quantiles(values, n=100)
    return f"{cuts[49]:.2f} s, {cuts[98]:.2f} s"


def _figures(
    share: float, day: list[Item], outcome: Outcome, watch: Watch, drained: float, transcripts: dict[str, int]
) -> dict[str, str]:
    ends = _latencies(outcome, watch)
    hours = sum(item.seconds for item in day) / 3600
    seconds = [sample.seconds for sample in watch.samples]
    load = os.getloadavg()
    figures = {
        "share": f"{share:g}: {len(day)} recordings, {hours:.1f} h of sound, in {SECONDS * share / 60:.0f} min",
        "final": f"{len(ends)} of {len(day)}, the last {drained - day[-1].arrives:.0f} s after the last arrival",
        "throughput": f"{len(ends) / drained * 3600:.0f} recordings, {hours / drained * 3600:.0f} h of sound an hour",
        "upload behind its time, at most": f"{outcome.late_seconds:.1f} s",
        "event to final, short: p50, p99": _quantiles([took for _, took, item in ends if not item.is_long]),
        "event to final, long: p50, p99": _quantiles([took for _, took, item in ends if item.is_long]),
        "finds": f"{len(outcome.finds)}, right {outcome.right}, {dict(outcome.codes)}",
        "find: p50, p99": _quantiles([took for _, took in outcome.finds]),
        "transcripts": str(transcripts),
        "load average at the end": f"{load[0]:.1f}, {load[1]:.1f}, {load[2]:.1f} on {os.cpu_count()} cores",
        "looks that failed": str(len(watch.troubles)),
    }
    for name in watch.samples[-1].memory:
        sizes = [sample.memory.get(name, 0.0) for sample in watch.samples]
        figures[f"memory of {name}, second half"] = str(judge_growth(seconds, sizes))
    disk = watch.samples[-1].disk
    figures["disk at the end"] = ", ".join(f"{name} {size:.0f} MB" for name, size in disk.items())
    figures["disk an hour of sound"] = f"{sum(disk.values()) / hours:.0f} MB"
    return figures


def _write(share: float, outcome: Outcome, watch: Watch, figures: dict[str, str]) -> None:
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / "figures.json").write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    samples = watch.samples
    seconds = [sample.seconds for sample in samples]
    note = f"share {share:g} of the day"
    memory = {name: (seconds, [s.memory.get(name, 0.0) for s in samples]) for name in samples[-1].memory}
    charts.draw(DOCS / "memory.svg", f"Memory of each part ({note})", "MB (PSS)", memory)
    disk = {name: (seconds, [s.disk[name] for s in samples]) for name in samples[-1].disk}
    charts.draw(DOCS / "disk.svg", f"Disk ({note})", "MB", disk)
    ends = _latencies(outcome, watch)
    final: dict[str, tuple[list[float], list[float]]] = {}
    for kind, is_long in (("short", False), ("long", True)):
        some = [(at, took) for at, took, item in ends if item.is_long is is_long]
        for name, quantile in (("p50", 0.5), ("p99", 0.99)):
            final[f"{kind}, {name}"] = charts.over_time([a for a, _ in some], [t for _, t in some], quantile)
    charts.draw(DOCS / "final.svg", f"From the upload to the final state ({note})", "seconds", final)
    asked, took = [at for at, _ in outcome.finds], [each for _, each in outcome.finds]
    finds = {name: charts.over_time(asked, took, q) for name, q in (("p50", 0.5), ("p99", 0.99))}
    charts.draw(DOCS / "finds.svg", f"Finds of 5 s clips ({note})", "seconds", finds)
    counts = {
        "final": (seconds, [float(s.final) for s in samples]),
        "waiting": (seconds, [float(s.waiting) for s in samples]),
    }
    charts.draw(DOCS / "throughput.svg", f"Recordings that are final, messages that wait ({note})", "count", counts)
