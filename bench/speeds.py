"""How exactly the speed of a disturbed clip is told."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from bench.system import real_recordings
from sonicgen.domain.match import Decision
from sonicgen.local.demo_sounds import RATE_HZ, disturb, make_music, read_sound, write_sound
from sonicgen.match.memory_index import MemoryIndex
from sonicgen.match.search import find_matches
from sonicgen.sound.fingerprint import fingerprint

SPEEDS = (0.97, 1.02, 1.03, 1.06)
START_SECONDS, CLIP_SECONDS = 12.0, 9.0


def measure_speeds() -> dict[str, str]:
    """Clips of 14 recordings (real ones where there are some), faster or slower, noisy, as mp3 at 48 kb/s."""
    sources = real_recordings()[:14]
    sounds = [read_sound(path) for path in sources] or [
        make_music(seed, seconds=40, beats_per_minute=70 + 9 * seed, metre=4) for seed in range(14)
    ]
    sounds = [sound for sound in sounds if len(sound) > (START_SECONDS + CLIP_SECONDS + 1) * RATE_HZ]
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp3"
        index = MemoryIndex()
        for number, sound in enumerate(sounds):
            write_sound(Path(folder) / "whole.mp3", sound)
            index.add(number, fingerprint(Path(folder) / "whole.mp3"))
        errors = []
        for number, sound in enumerate(sounds):
            for speed in SPEEDS:
                disturbed = disturb(
                    sound, start_seconds=START_SECONDS, seconds=CLIP_SECONDS, speed=speed, noise=0.25, seed=1
                )
                write_sound(clip, disturbed, bit_rate=48_000)
                found = [m for m in find_matches(fingerprint(clip), index) if m.recording == number]
                errors += [abs(m.speed - speed) for m in found[:1] if m.decision is Decision.MATCH]
    return {
        "clips found": f"{len(errors)} of {len(sounds) * len(SPEEDS)}",
        "error of the speed": f"median {np.median(errors):.4f}, 90 % quantile {np.quantile(errors, 0.9):.4f}",
    }
