"""Identification: how fast among ten thousand people, and how well on the speech beside this project."""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import numpy as np
import psutil
from numpy.typing import NDArray

from bench.system import SHARED
from sonicgen.domain.gallery import Voiceprint
from sonicgen.domain.voice import VoiceModel
from sonicgen.embedder.encoders.choose import load_encoder
from sonicgen.local.postgres import LocalPostgres
from sonicgen.settings import read_settings
from sonicgen.steps.evaluate_voices import evaluate_voices
from sonicgen.steps.identify_voices import HeardVoice, identify_voices
from sonicgen.steps.services import Services
from sonicgen.store.migrations import migrate
from sonicgen.voices.encoder import Calibration
from sonicgen.voices.evaluation import OpenSet

DIMENSION = 192
PEOPLE, EACH = 10_000, 3
ROUNDS = 300
_MODEL = VoiceModel("synthetic", "1", DIMENSION)
# Of vectors that are as far apart as these, any calibration tells them apart; only time is measured.
_CALIBRATION = Calibration(40.0, -12.0)


def measure_gallery() -> dict[str, str]:
    """Enrol people with synthetic vectors, then identify one voice, and four of a recording, again and again."""
    with tempfile.TemporaryDirectory() as folder, LocalPostgres(Path(folder) / "postgres") as server:
        services = Services(read_settings(database_url=server.url))
        migrate(services.database)
        generator = np.random.default_rng(1)
        centres = generator.normal(size=(PEOPLE, DIMENSION)).astype(np.float32)
        started = time.perf_counter()
        _enrol(services, centres, generator)
        seconds = time.perf_counter() - started
        figures = {f"enrolling {PEOPLE:,} people with {EACH} vectors each": f"{seconds:.1f} s"}
        for voices in (1, 4):
            before, started = _cpu_seconds(server), time.perf_counter()
            figures |= _time_identification(services, centres, generator, voices)
            each = 1000 * (_cpu_seconds(server) - before) / ROUNDS
            wall = 1000 * (time.perf_counter() - started) / ROUNDS
            figures[f"CPU of both processes for {_of(voices)}"] = f"{each:.1f} ms of {wall:.1f} ms"
        services.database.close()
    return figures


def _enrol(services: Services, centres: NDArray[np.float32], generator: np.random.Generator) -> None:
    for start in range(0, PEOPLE, 500):
        own = np.repeat(centres[start : start + 500], EACH, axis=0)
        rows = own + 0.75 * generator.normal(size=own.shape)
        prints = [
            Voiceprint(f"{start + place // EACH}/{place % EACH}", 10.0, UUID(int=start + place // EACH), True)
            for place in range(len(own))
        ]
        services.gallery.add(_MODEL, rows.astype(np.float32), prints)


def _time_identification(
    services: Services, centres: NDArray[np.float32], generator: np.random.Generator, voices: int
) -> dict[str, str]:
    times, right = [], 0
    for _ in range(ROUNDS):
        chosen = generator.choice(PEOPLE, voices, replace=False)
        rows = centres[chosen] + 0.75 * generator.normal(size=(voices, DIMENSION))
        heard = [HeardVoice(str(place), row.astype(np.float32), 20.0) for place, row in enumerate(rows)]
        started = time.perf_counter()
        found = identify_voices(services, _MODEL, _CALIBRATION, heard)
        times.append(1000 * (time.perf_counter() - started))
        named = [identity.speaker_id for identity in found.identities]
        right += named == [UUID(int=int(person)) for person in chosen]
    middle, ninety_nine = np.percentile(times, [50, 99])
    return {
        f"identifying {_of(voices)} among {PEOPLE:,}: median, p99": f"{middle:.1f}, {ninety_nine:.1f} ms",
        f"{_of(voices)}: all named rightly": f"{right} of {ROUNDS}",
    }


def _of(voices: int) -> str:
    return "one voice" if voices == 1 else f"{voices} voices of one recording"


def _cpu_seconds(server: LocalPostgres) -> float:
    """Return what this process and the database have computed so far; on a busy machine they wait besides."""
    assert server.process is not None
    parent = psutil.Process(server.process.pid)
    times = [process.cpu_times() for process in (parent, *parent.children(recursive=True))]
    return time.process_time() + float(sum(each.user + each.system for each in times))


def measure_identify() -> dict[str, str]:
    """Evaluate the encoder of the package on the ten readers that it was not trained on."""
    voices = SHARED / "data" / "voices"
    if not (voices / "manifest.csv").exists():
        return {"skipped": f"no speech in {voices}"}
    with tempfile.TemporaryDirectory() as folder, (voices / "manifest.csv").open() as file:
        manifest = Path(folder) / "manifest.csv"
        rows = [(row["speaker"], voices / row["path"]) for row in csv.DictReader(file) if row["set"] == "libri_other"]
        with manifest.open("w", newline="") as out:
            csv.writer(out).writerows([("speaker", "path"), *rows])
        encoder = load_encoder(read_settings())
        found = evaluate_voices(encoder, manifest)
    it = found.evaluation
    figures = {
        "model": found.model.key,
        "people, recordings": f"{it.people}, {it.files}",
        "EER of whole recordings, its cosine, minDCF": (
            f"{it.equal_error:.1%}, {it.equal_error_cosine:.3f}, {it.least_cost:.3f}"
        ),
        "Cllr: encoder's own, fitted, held out": _costs(it.profiles.cost, it.own, it.fitted, it.held_out),
    }
    return figures | _open_set("own", it.own_set) | _open_set("fitted", it.fitted_set)


def _costs(
    cost: Callable[[Calibration], float], own: Calibration, fitted: Calibration | None, held_out: float | None
) -> str:
    return ", ".join(
        "–" if value is None else f"{value:.3f}" for value in (cost(own), fitted and cost(fitted), held_out)
    )


def _open_set(name: str, found: OpenSet | None) -> dict[str, str]:
    if found is None:
        return {}
    decided = (found.named, found.wrong, found.strangers_named)
    return {
        f"{name}: closest right, missed at 1 % false alarms": f"{found.top_one:.1%}, {found.misses:.1%}",
        f"{name}: named, wrong name, strangers named": ", ".join(f"{share:.1%}" for share in decided),
    }
