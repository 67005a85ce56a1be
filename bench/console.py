"""The console: one clip after another, then fifty clients at once for a minute."""

from __future__ import annotations

import csv
import random
import statistics
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
import psutil

from bench.system import SHARED, embedded
from sonicgen.local.demo_sounds import RATE_HZ, make_music, read_sound, write_sound
from sonicgen.local.supervisor import System
from sonicgen.steps.add_recording import add_recording
from sonicgen.steps.services import Services
from sonicgen.store import recordings

RECORDINGS = 30
CLIPS = 20
CLIP_SECONDS = 5.0
CLIENTS = 50
LOAD_SECONDS = 60.0
MEMORY_EVERY_SECONDS = 5.0
_WAIT_SECONDS = 300.0


def measure_console() -> dict[str, str]:
    """Questions over HTTP: alone, and fifty clients at once for a minute."""
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder) / "data") as (system, services):
        paths = _recordings(Path(folder))
        _index(services, paths)
        clips = _clips(Path(folder), paths)
        return {**_alone(system, clips), **_together(system, clips)}


def _recordings(folder: Path) -> list[Path]:
    manifest = SHARED / "data" / "recordings" / "manifest.csv"
    if manifest.exists():
        with manifest.open() as file:
            rows = [row for row in csv.DictReader(file) if float(row["seconds"]) > 20]
        return [manifest.parent / row["file"] for row in rows[:RECORDINGS]]
    made = [folder / f"piece {number}.mp3" for number in range(RECORDINGS)]
    for number, path in enumerate(made):
        write_sound(path, make_music(number, seconds=40.0, beats_per_minute=90 + 3 * number, metre=3))
    return made


def _index(services: Services, paths: list[Path]) -> None:
    wanted = [add_recording(services.settings, path).recording_id for path in paths]
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        found = [recordings.find(services.database, each) for each in wanted]
        if all(one is not None and one.is_final for one in found):
            return
        time.sleep(0.5)
    raise TimeoutError("The recordings were not indexed in time.")


def _clips(folder: Path, paths: list[Path]) -> list[tuple[str, bytes]]:
    chosen = random.Random(1)
    made = []
    for number, path in enumerate(chosen.sample(paths, CLIPS)):
        samples = read_sound(path)
        start = chosen.randrange(max(1, len(samples) - round(CLIP_SECONDS * RATE_HZ)))
        clip = folder / f"clip {number}.mp3"
        write_sound(clip, samples[start : start + round(CLIP_SECONDS * RATE_HZ)].astype(np.float32))
        made.append((path.name, clip.read_bytes()))
    return made


def _alone(system: System, clips: list[tuple[str, bytes]]) -> dict[str, str]:
    waits, firsts, right = [], [], 0
    with httpx.Client(base_url=system.url, timeout=120) as client:
        client.post("/v1/find", files={"file": clips[0][1]})  # what is warm from then on
        for title, clip in clips:
            began = time.perf_counter()
            answer = client.post("/v1/find", files={"file": clip}).json()
            waits.append(time.perf_counter() - began)
            right += answer["episode"] == title
            began = time.perf_counter()
            with client.stream("POST", "/v1/find", files={"file": clip}, data={"stream": "1"}) as response:
                for _ in response.iter_lines():
                    firsts.append(time.perf_counter() - began)
                    break
    return {
        "5 s clip, one at a time: p50, slowest of 20": f"{_ms(statistics.median(waits))}, {_ms(max(waits))}",
        "right recording": f"{right} of {len(clips)}",
        "first event of the stream: p50, slowest": f"{_ms(statistics.median(firsts))}, {_ms(max(firsts))}",
    }


def _together(system: System, clips: list[tuple[str, bytes]]) -> dict[str, str]:
    until = time.monotonic() + LOAD_SECONDS
    waits: list[float] = []
    codes: Counter[str] = Counter()
    memory: list[float] = []

    def ask(number: int) -> None:
        chosen = random.Random(number)
        with httpx.Client(base_url=system.url, timeout=120) as client:
            while time.monotonic() < until:
                began = time.perf_counter()
                try:
                    code = str(client.post("/v1/find", files={"file": chosen.choice(clips)[1]}).status_code)
                except httpx.HTTPError as error:
                    code = type(error).__name__
                codes[code] += 1
                waits.append(time.perf_counter() - began)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    while time.monotonic() < until:
        memory.append(_console_mb(system))
        time.sleep(MEMORY_EVERY_SECONDS)
    for thread in threads:
        thread.join()
    cuts = statistics.quantiles(waits, n=100)
    said = ", ".join(f"{code}: {count}" for code, count in sorted(codes.items()))
    return {
        f"{CLIENTS} clients for {LOAD_SECONDS:.0f} s: answers by status": said,
        "answers a second": f"{len(waits) / LOAD_SECONDS:.1f}",
        "the same: p50, p95, p99": f"{cuts[49]:.2f} s, {cuts[94]:.2f} s, {cuts[98]:.2f} s",
        "memory of the console and its clip processes, every 5 s": ", ".join(f"{each:.0f}" for each in memory) + " MB",
    }


def _console_mb(system: System) -> float:
    (pid,) = [child.pid for child in system.crew.children if child.program.name == "console" and child.pid]
    process = psutil.Process(pid)
    return float(sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))) / 1e6


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
