"""The embedded cloud as a whole: start, memory, a ten-hour file, an archive of real recordings."""

from __future__ import annotations

import csv
import itertools
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from sonicgen.domain.match import Decision
from sonicgen.domain.recording import Recording
from sonicgen.local.demo_sounds import RATE_HZ, Sound, make_music, make_pieces, read_sound, write_sound
from sonicgen.local.supervisor import System, free_port, running
from sonicgen.settings import read_settings
from sonicgen.steps.add_recording import add_recording
from sonicgen.steps.find_clip import find_clip
from sonicgen.steps.services import Services
from sonicgen.store import recordings

# Real recordings, where there are some; see docs/benchmarks.md.
SHARED = Path(os.environ.get("SONICGEN_SHARED", Path(__file__).parents[2] / "shared"))
IDLE_SECONDS = 5


@contextmanager
def embedded(data: Path) -> Iterator[tuple[System, Services]]:
    """Run the embedded cloud with its services; the environment is put back afterwards."""
    before = dict(os.environ)
    try:
        with running(read_settings(data_dir=data, port=free_port())) as system:
            services = Services(read_settings())
            try:
                yield system, services
            finally:
                services.close()
    finally:
        os.environ.clear()
        os.environ.update(before)


def measure_start() -> dict[str, str]:
    """First and second start, and what the idle system takes."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with embedded(data) as (first, _):
            first_seconds = first.seconds_to_ready
        with embedded(data) as (second, _):
            second_seconds = second.seconds_to_ready
            time.sleep(IDLE_SECONDS)
            everything = {child.program.name: tree_bytes(child.pid) for child in second.crew.children if child.pid}
            everything["supervisor"] = pss_bytes(psutil.Process())
        total = sum(everything.values())
        parts = ", ".join(f"{name} {size / 2**20:.0f}" for name, size in everything.items())
        return {
            "first start": f"{first_seconds:.1f} s",
            "second start": f"{second_seconds:.1f} s",
            "idle memory": f"{total / 2**20:.0f} MB ({parts})",
        }


def pss_bytes(process: psutil.Process) -> int:
    """Return a process's memory, shared pages counted in proportion."""
    return int(process.memory_full_info().pss)


def tree_bytes(pid: int) -> int:
    """Return the memory of a process and all below it."""
    process = psutil.Process(pid)
    return sum(pss_bytes(one) for one in (process, *process.children(recursive=True)))


class Peak:
    """The largest resident memory of any of some processes, looked at five times a second."""

    def __init__(self, pids: list[int]) -> None:
        self._processes = [psutil.Process(pid) for pid in pids]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.largest_bytes = 0

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            for process in self._processes:
                self.largest_bytes = max(self.largest_bytes, process.memory_info().rss)


def measure_ten_hours() -> dict[str, str]:
    """The fingerprint worker's memory and time while a ten-hour file passes."""
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder) / "data") as (system, services):
        path = Path(folder) / "ten hours.mp3"
        write_ten_hours(path)
        function = next(c for c in system.crew.children if c.program.name == "fingerprint_match")
        workers = [child.pid for child in psutil.Process(function.pid).children()]
        started = time.monotonic()
        with Peak(workers) as peak:
            (recording,) = follow(services, [path], timeout_seconds=3_600)
        return {
            "file": f"{path.stat().st_size / 2**20:.0f} MB, {(recording.duration_seconds or 0) / 3600:.2f} h",
            "state": f"{recording.match_status} ({recording.reason})",
            "time": f"{time.monotonic() - started:.0f} s",
            "largest worker": f"{peak.largest_bytes / 2**20:.0f} MB resident",
        }


def write_ten_hours(path: Path) -> None:
    """Write ten hours of mp3: an hour of real recordings where there are some, of our own music otherwise, ten times.

    An mp3 is a row of frames, so that the hour is encoded once and repeated as bytes.
    """
    hour = path.with_suffix(".hour.mp3")
    write_sound(hour, np.concatenate(list(_an_hour_of_sound()))[: 3_600 * RATE_HZ], bit_rate=64_000)
    data = hour.read_bytes()
    hour.unlink()
    with path.open("wb") as out:
        for _ in range(10):
            out.write(data)


def _an_hour_of_sound() -> Iterator[Sound]:
    seconds = 0.0
    sources = iter(real_recordings())
    for seed in itertools.count():
        source = next(sources, None)
        sound = read_sound(source) if source else make_music(seed, seconds=60, beats_per_minute=60 + seed, metre=4)
        yield sound
        seconds += len(sound) / RATE_HZ
        if seconds > 3_600:
            return


def measure_archive() -> dict[str, str]:
    """Real recordings dropped into the inbox; then clips of them are asked for."""
    sources = real_recordings()
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder) / "data") as (system, services):
        if not sources:
            sources = _own_pieces(Path(folder))
        started = time.monotonic()
        for source in sources:
            shutil.copy(source, system.folder.inbox)
        known = wait_until_final(services, len(sources), timeout_seconds=3_600)
        took = time.monotonic() - started
        hours = sum(recording.duration_seconds or 0 for recording in known) / 3600
        right, milliseconds = ask_for_clips(services, sources, {r.title: r for r in known}, Path(folder))
        states: dict[str, int] = {}
        for recording in known:
            states[str(recording.match_status)] = states.get(str(recording.match_status), 0) + 1
        return {
            "recordings": f"{len(known)}, {hours:.2f} h, {states}",
            "inbox to final": f"{took:.0f} s",
            "clips found": f"{right} of {len(milliseconds)}",
            "find, median": f"{sorted(milliseconds)[len(milliseconds) // 2]:.0f} ms",
        }


def ask_for_clips(
    services: Services, sources: list[Path], known: dict[str, Recording], folder: Path, count: int = 20
) -> tuple[int, list[float]]:
    """Cut 10 s clips, encode them as mp3 and ask; return how many were right and how long each took."""
    chance = random.Random(7)
    right, milliseconds = 0, []
    long_enough = [source for source in sources if (known[source.name].duration_seconds or 0) > 15]
    for source in chance.sample(long_enough, min(count, len(long_enough))):
        sound = read_sound(source)
        start_seconds = chance.uniform(0, len(sound) / RATE_HZ - 11)
        clip = folder / "clip.mp3"
        write_sound(clip, sound[int(start_seconds * RATE_HZ) :][: 10 * RATE_HZ], bit_rate=64_000)
        answer = find_clip(services, clip)
        wanted = {known[source.name].id, known[source.name].original_video_id}
        hit = any(
            found.recording.id in wanted
            and abs(found.match.reference_start_seconds - found.match.query_start_seconds - start_seconds) < 0.5
            for found in answer.found
            if found.match.decision is Decision.MATCH
        )
        if not hit:
            best = answer.found[0] if answer.found else None
            print(f"  missed {source.name} at {start_seconds:.2f}: {best}")
        right += hit
        milliseconds.append(answer.elapsed_ms)
    return right, milliseconds


def follow(services: Services, paths: list[Path], timeout_seconds: float) -> list[Recording]:
    """Upload files and wait until each is final."""
    for path in paths:
        add_recording(services.settings, path)
    return wait_until_final(services, len(paths), timeout_seconds)


def wait_until_final(services: Services, count: int, timeout_seconds: float) -> list[Recording]:
    """Wait until so many recordings are final."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        page = recordings.list_page(services.database, limit=10_000).recordings
        final = [recording for recording in page if recording.is_final]
        if len(final) >= count:
            return list(final)
        time.sleep(0.2)
    raise TimeoutError(f"{len(final)} of {count} recordings are final after {timeout_seconds:.0f} s")


def real_recordings() -> list[Path]:
    """Return the shared corpus' files, none where it is absent."""
    manifest = SHARED / "data" / "recordings" / "manifest.csv"
    if not manifest.exists():
        return []
    with manifest.open() as file:
        return [manifest.parent / row["file"] for row in csv.DictReader(file)]


def _own_pieces(folder: Path) -> list[Path]:
    paths = []
    for piece in make_pieces(folder):
        paths.append(folder / f"{piece.name}.{piece.suffix}")
        write_sound(paths[-1], piece.sound)
    return paths
