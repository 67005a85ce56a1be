"""Clips of 10 s that were sped up, shifted in pitch or changed in tempo: how many are found, over a grid.

What damages them is not ours: scipy resamples (speed), ffmpeg's rubberband shifts (pitch), ffmpeg's atempo stretches.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from bench.system import real_recordings
from sonicgen.domain.match import Decision
from sonicgen.local.demo_sounds import RATE_HZ, Sound, make_music, read_sound, write_sound
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.search import find_matches, warm_up
from sonicgen.sound.fingerprint import fingerprint

GRID = {"speed": (2, 4, 6, 8, 10), "pitch": (2, 3, 4, 5, 6), "tempo": (3, 6, 9, 12, 15)}
BATTERY = {"speed": 8, "pitch": 5, "tempo": 12}  # per cent: what is to be found in 9 of 10 cases
SECONDS, START_SECONDS = 10.0, 14.0
SOURCES, CLIPPED = 36, 16
OFFSET_SECONDS = 0.5


def damage(sound: Sound, kind: str, percent: int) -> Sound:
    """Return the clip of SECONDS that starts at START_SECONDS, changed."""
    ratio = 1 + percent / 100
    length = SECONDS * (1.0 if kind == "pitch" else ratio)
    clip = sound[round(START_SECONDS * RATE_HZ) :][: round(length * RATE_HZ)]
    if kind == "speed":
        fraction = Fraction(100, 100 + percent)
        return np.asarray(resample_poly(clip, fraction.numerator, fraction.denominator), np.float32)
    change = f"rubberband=pitch={ratio}" if kind == "pitch" else f"atempo={ratio}"
    form = ["-f", "f32le", "-ac", "1", "-ar", str(RATE_HZ)]
    command = ["ffmpeg", "-v", "error", *form, "-i", "-", "-af", change, *form, "-"]
    done = subprocess.run(command, input=clip.astype("<f4").tobytes(), capture_output=True, check=True)
    return np.frombuffer(done.stdout, "<f4")


def measure_warps() -> dict[str, str]:
    """Ask for clips of real recordings (of our own music where there are none) as mp3 at 64 kb/s."""
    if shutil.which("ffmpeg") is None:
        return {"skipped": "ffmpeg is not installed"}
    warm_up()
    recordings = real_recordings()
    sounds = [read_sound(path) for path in recordings[:: max(1, len(recordings) // SOURCES)]] or [
        make_music(seed, seconds=40, beats_per_minute=70 + 5 * seed, metre=4) for seed in range(CLIPPED)
    ]
    index = MemoryIndex()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sound.mp3"
        for number, sound in enumerate(sounds):
            write_sound(file, sound)
            index.add(number, fingerprint(file))
        long_enough = [n for n, sound in enumerate(sounds) if len(sound) > (START_SECONDS + 1.2 * SECONDS) * RATE_HZ]
        # Spread over all of them: music comes first, speech last.
        clipped = long_enough[:: max(1, len(long_enough) // CLIPPED)]

        def found(kind: str, percent: int) -> float:
            return float(np.mean([_is_found(index, n, damage(sounds[n], kind, percent), file) for n in clipped]))

        recall = {
            (kind, sign * size): found(kind, sign * size) for kind in GRID for size in GRID[kind] for sign in (-1, 1)
        }
    battery = [share for (kind, percent), share in recall.items() if abs(percent) == BATTERY[kind]]
    figures = {f"speed ±8, pitch ±5, tempo ±12 %, {len(clipped)} clips each, mean": f"{100 * np.mean(battery):.1f} %"}
    for kind, sizes in GRID.items():
        percents = sorted(sign * size for size in sizes for sign in (-1, 1))
        figures[kind] = ", ".join(f"{percent:+d} %: {100 * recall[kind, percent]:.0f}" for percent in percents)
    return figures


def _is_found(index: MemoryIndex, number: int, clip: Sound, file: Path) -> bool:
    write_sound(file, clip, bit_rate=64_000)
    found = find_matches(fingerprint(file), index)
    if not found or found[0].decision is not Decision.MATCH or found[0].recording != number:
        return False
    start = found[0].reference_start_seconds - found[0].speed * found[0].query_start_seconds
    return abs(start - START_SECONDS) <= OFFSET_SECONDS
