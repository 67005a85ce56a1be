"""The embedder under load: 200 callers at once, hours in one file, and what it costs to have it idle."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil

from bench.system import SHARED
from sonicgen.local.supervisor import free_port

CALLERS = 200
SOUNDS = 40
SHORTEST_SECONDS = 5.0
HOURS = (1.0, 3.0)
ENTRY = Path(__file__).parents[1] / "containers" / "gpu-embedder" / "main.py"
_VOICES = SHARED / "data" / "voices"


@dataclass
class Running:
    """The entry of the container, running."""

    client: httpx.Client
    process: psutil.Process
    peak_bytes: int = 0

    def memory_bytes(self) -> int:
        """Return what it holds for itself, shared libraries shared out."""
        return int(self.process.memory_full_info().pss)


def measure_embedder() -> dict[str, str]:
    """Readers of LibriSpeech as FLAC; needs ../shared/data/voices."""
    sounds = _sounds()
    if not sounds:
        return {"voices": f"none at {_VOICES}"}
    with _entry() as running:
        health = running.client.get("/health").json()
        idle = running.memory_bytes()
        figures = {
            "encoder": f"{health['model']['name']} on {health['backend']}, batches of {health['batch_windows']}",
            "at its start": f"{health['times_real_time']:.0f} × real time",
            "memory when idle": f"{idle / 2**20:.0f} MB",
        }
        figures |= _load(running, sounds)
        figures |= _hours(running, sounds)
    return figures


def _sounds() -> list[tuple[bytes, float]]:
    """Return files of different readers with their seconds."""
    if not (_VOICES / "manifest.csv").exists():
        return []
    with (_VOICES / "manifest.csv").open() as manifest:
        rows = {
            row["speaker"]: row
            for row in csv.DictReader(manifest)
            if row["set"].startswith("libri") and float(row["seconds"]) >= SHORTEST_SECONDS
        }
    chosen = list(rows.values())[:SOUNDS]
    return [((_VOICES / row["path"]).read_bytes(), float(row["seconds"])) for row in chosen]


@contextmanager
def _entry() -> Iterator[Running]:
    port = free_port()
    with tempfile.TemporaryDirectory() as scratch:
        environment = os.environ | {"PORT": str(port), "TMPDIR": scratch, "SONICGEN_LOG_LEVEL": "WARNING"}
        process = subprocess.Popen([sys.executable, str(ENTRY)], env=environment)
        limits = httpx.Limits(max_connections=CALLERS)
        address = f"http://127.0.0.1:{port}"
        ended = threading.Event()
        try:
            with httpx.Client(base_url=address, timeout=1800, limits=limits, trust_env=False) as client:
                running = Running(client, psutil.Process(process.pid))
                _wait_until_ready(client)
                threading.Thread(target=_watch, args=(running, ended), daemon=True).start()
                yield running
        finally:
            ended.set()
            process.terminate()
            process.wait(60)


def _wait_until_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            if client.get("/health/ready").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError("The embedder does not become ready.")
        time.sleep(0.2)


def _watch(running: Running, ended: threading.Event) -> None:
    while not ended.wait(0.2):
        try:
            running.peak_bytes = max(running.peak_bytes, running.process.memory_info().rss)
        except psutil.Error:
            return


def _load(running: Running, sounds: list[tuple[bytes, float]]) -> dict[str, str]:
    def ask(number: int) -> tuple[float, np.ndarray]:
        started = time.monotonic()
        answer = running.client.post("/embedding", files={"file": ("x.flac", sounds[number % len(sounds)][0])})
        answer.raise_for_status()
        return time.monotonic() - started, np.array(answer.json()["embedding"])

    alone = [ask(number) for number in range(len(sounds))]
    running.peak_bytes = 0
    before = sum(running.process.cpu_times()[:2])
    started = time.monotonic()
    with ThreadPoolExecutor(CALLERS) as pool:
        found = list(pool.map(ask, range(CALLERS)))
    seconds = time.monotonic() - started
    cpu = sum(running.process.cpu_times()[:2]) - before
    audio = sum(sounds[number % len(sounds)][1] for number in range(CALLERS))
    wrong = sum(
        int(np.argmax([vector @ other for _, other in alone])) != number % len(sounds)
        or vector @ alone[number % len(sounds)][1] < 0.99999
        for number, (_, vector) in enumerate(found)
    )
    times = np.array([each for each, _ in found])
    return {
        "alone": f"median {np.median([each for each, _ in alone]) * 1000:.0f} ms for {audio / CALLERS:.1f} s of sound",
        f"{CALLERS} at once": f"{len(found)} answered, {wrong} mixed up, in {seconds:.1f} s ({audio:.0f} s of sound)",
        "latency at once": f"median {np.median(times):.1f} s, p99 {np.quantile(times, 0.99):.1f} s",
        "rate at once": f"{audio / seconds:.0f} × real time, {audio / cpu:.0f} s of sound for a second of CPU",
        "memory at once": f"{running.peak_bytes / 2**20:.0f} MB at most",
    }


def _hours(running: Running, sounds: list[tuple[bytes, float]]) -> dict[str, str]:
    figures = {}
    for hours in HOURS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "hours.opus"
            _make_hours(path, sounds, hours)
            running.peak_bytes = 0
            before, started = sum(running.process.cpu_times()[:2]), time.monotonic()
            with path.open("rb") as file:
                answer = running.client.post("/diarize", files={"file": ("hours.opus", file)})
        answer.raise_for_status()
        seconds = time.monotonic() - started
        cpu = sum(running.process.cpu_times()[:2]) - before
        found = answer.json()
        figures[f"{hours:g} h, who speaks when"] = (
            f"{seconds:.0f} s, {cpu:.0f} s of CPU ({found['audio_duration'] / cpu:.0f} s of sound a CPU second), "
            f"{running.peak_bytes / 2**20:.0f} MB at most, {found['num_speakers']} voices"
        )
    return figures


def _make_hours(path: Path, sounds: list[tuple[bytes, float]], hours: float) -> None:
    """Write readers in turn, again and again, as Opus at 32 kb/s."""
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for number, (data, _) in enumerate(sounds[:8]):
            file = Path(folder) / f"{number}.flac"
            file.write_bytes(data)
            names.append(f"file '{file}'\n")
        listed = Path(folder) / "list.txt"
        once = sum(seconds for _, seconds in sounds[:8])
        listed.write_text("".join(names) * (int(hours * 3600 / once) + 1))
        source = ["-f", "concat", "-safe", "0", "-i", str(listed), "-t", str(hours * 3600)]
        subprocess.run(["ffmpeg", "-v", "error", *source, "-c:a", "libopus", "-b:a", "32k", str(path)], check=True)
