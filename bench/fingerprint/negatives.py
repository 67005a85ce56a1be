"""False positives: thousands of clips that are in no recording, against an index of any size.

The clips are cut from the corpus's held-out recordings and from readers of LibriSpeech, half from each, at random
places, in disguises (as they are, in noise, at another speed, two mixed). Audio books share their announcements with
others of the corpus, so nothing is cut within 35 s of either end of a spoken recording of it.

    python -m bench.fingerprint.negatives --data ../shared/data --cluster FOLDER --clips 5000
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from sonicgen.domain.match import Decision
from sonicgen.local.postgres import LocalPostgres
from sonicgen.match.search import find_matches, warm_up
from sonicgen.sound.decode import decode_blocks
from sonicgen.sound.fingerprint import Fingerprint, Fingerprinter
from sonicgen.sound.spectrum import SAMPLE_RATE_HZ
from sonicgen.steps.search_index import PostgresIndex
from sonicgen.store.database import Database

Samples = NDArray[np.float32]
ANNOUNCEMENT_SECONDS = 35
LENGTHS_SECONDS = (3.0, 5.0, 10.0)
DISGUISES = ("none", "noise", "speed", "mixed")


def read_sources(data: Path) -> tuple[list[Samples], list[Samples]]:
    """Return the sound of everything that is in no index: held-out recordings, voices."""
    rows = list(csv.DictReader((data / "recordings" / "manifest.csv").open()))
    held_out = []
    for row in rows:
        if row["role"] == "neg":
            sound = np.concatenate(list(decode_blocks(data / "recordings" / row["file"])))
            edge = ANNOUNCEMENT_SECONDS * SAMPLE_RATE_HZ if row["kind"] != "music" else 0
            held_out.append(sound[edge : len(sound) - edge])
    paths = sorted((data / "voices" / "libri_tc100").glob("*.flac"))  # the other voices are parts of the corpus, too
    voices = [np.concatenate(list(decode_blocks(path))) for path in paths]
    shortest = 11 * SAMPLE_RATE_HZ
    return [s for s in held_out if len(s) > shortest], [s for s in voices if len(s) > shortest]


def cut(rng: np.random.Generator, sources: tuple[list[Samples], list[Samples]], seconds: float) -> Samples:
    """Return a random clip."""
    some = sources[int(rng.integers(2))]
    sound = some[int(rng.integers(len(some)))]
    count = round(seconds * SAMPLE_RATE_HZ)
    start = int(rng.integers(max(1, len(sound) - count)))
    return sound[start : start + count]


def disguise(
    rng: np.random.Generator, sources: tuple[list[Samples], list[Samples]], clip: Samples, kind: str
) -> Samples:
    """Return the clip as somebody might send it."""
    level = float(np.sqrt(np.mean(clip**2))) + 1e-6
    if kind == "noise":
        noise = rng.normal(0.0, level * 10 ** (-rng.uniform(0, 15) / 20), len(clip))
        noisy: Samples = clip + noise.astype(np.float32)
        return noisy
    if kind == "speed":
        places = np.arange(0, len(clip) - 1, rng.uniform(0.9, 1.1))
        faster: Samples = np.interp(places, np.arange(len(clip)), clip).astype(np.float32)
        return faster
    if kind == "mixed":
        other = cut(rng, sources, len(clip) / SAMPLE_RATE_HZ)
        gain = np.float32(level / (float(np.sqrt(np.mean(other**2))) + 1e-6))
        length = min(len(clip), len(other))
        mixed: Samples = clip[:length] + gain * other[:length]
        return mixed
    return clip


def fingerprint_of(samples: Samples) -> Fingerprint:
    """Return the fingerprint of samples at 11,025 Hz."""
    maker = Fingerprinter()
    maker.feed(samples)
    return maker.finish()


def main() -> None:
    """Ask, and count what is accepted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cluster", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=5_000)
    options = parser.parse_args()
    warm_up()
    rng = np.random.default_rng(2026)
    sources = read_sources(options.data)
    hours = [sum(map(len, some)) / SAMPLE_RATE_HZ / 3600 for some in sources]
    print(f"{hours[0]:.2f} h held out, {hours[1]:.2f} h of voices", flush=True)
    asked: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    best: list[float] = []  # log10 of chance of the best match of each clip that has any
    took = []
    with LocalPostgres(options.cluster / "pg") as server, Database(server.url) as database:
        for i in track(range(options.clips), "negatives"):
            seconds, kind = LENGTHS_SECONDS[i % 3], DISGUISES[i // 3 % 4]
            clip = fingerprint_of(disguise(rng, sources, cut(rng, sources, seconds), kind))
            started = time.perf_counter()
            matches = find_matches(clip, PostgresIndex(database))
            took.append(1e3 * (time.perf_counter() - started))
            asked[f"{seconds:.0f} s, {kind}"] += 1
            sure = [match for match in matches if match.decision is Decision.MATCH]
            best += [match.log10_chance for match in matches[:1]]
            if sure:
                wrong[f"{seconds:.0f} s, {kind}"] += 1
                print("accepted:", i, seconds, kind, sure[0], flush=True)
            if i % 500 == 499:
                print(f"{i + 1} asked, {sum(wrong.values())} accepted; best {min(best, default=0.0):.2f}", flush=True)
    print(f"{sum(wrong.values())} of {sum(asked.values())} accepted; {dict(wrong)}")
    print("log10 of chance, the best of all:", np.round(np.sort(best)[:10], 2).tolist())
    print("wall ms p50, p95, p99:", np.percentile(took, [50, 95, 99]).round())


if __name__ == "__main__":
    main()
