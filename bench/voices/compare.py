"""`python -m bench voices`: the shared benchmark of voices with GE2E and our encoders beside each other.

Needs ../shared/bench/voices, soundfile and pyannote.metrics; GE2E also torch and Resemblyzer's weights (named by
SONICGEN_GE2E_WEIGHTS, or installed). An encoder that cannot be had is left out, with the reason.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from sonicgen.embedder.encoders.choose import load_encoder
from sonicgen.errors import SonicGenError
from sonicgen.settings import REPOSITORY, read_settings

SHARED = REPOSITORY.parent / "shared"
ENCODERS = ("ge2e", "campplus", "ecapa-small", "ecapa")


def measure_voices() -> dict[str, str]:
    """Return the figures of each encoder; the harness runs in a process of its own, one after the other."""
    if not (SHARED / "bench" / "voices" / "voices.py").exists():
        return {"voices": "left out: ../shared/bench/voices is not here"}
    figures: dict[str, str] = {}
    for name in ENCODERS:
        if name == "ecapa" and not os.environ.get("SONICGEN_ECAPA_WEIGHTS"):
            figures[name] = "left out: SONICGEN_ECAPA_WEIGHTS names no weights"
            continue
        try:
            load_encoder(read_settings(encoder=name))
        except SonicGenError as error:
            figures[name] = f"left out: {error}"
            continue
        figures |= {f"{name}: {figure}": value for figure, value in _figures(_run(name)).items()}
    return figures


def _run(name: str) -> dict[str, Any]:
    with NamedTemporaryFile(suffix=".json") as out:
        harness, adapter = SHARED / "bench" / "voices" / "voices.py", Path(__file__).with_name("adapter.py")
        command = [
            sys.executable,
            str(harness),
            str(adapter),
            "--data",
            str(SHARED / "data" / "voices"),
            "--out",
            out.name,
        ]
        environment = {**os.environ, "SONICGEN_ENCODER": name, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        print(done.stdout, file=sys.stderr)
        found: dict[str, Any] = json.load(out)
        return found


def _figures(found: dict[str, Any]) -> dict[str, str]:
    figures = {f"EER {length}": f"{100 * part['eer']:.2f} %" for length, part in found["verify"].items()}
    identify = found["identify"]
    figures["open set, top-1 / missed at 1 % false"] = (
        f"{100 * identify['top1']:.1f} / {100 * identify['fnir_at_1pct_fpir']:.1f} %"
    )
    for kind in ("dialogues", "ami"):
        none, some = (found["diarize"][f"{kind} collar {collar}"] for collar in ("0.0", "0.25"))
        figures[f"DER {kind}, collar 0 / 0.25 s"] = f"{100 * none['der']:.1f} / {100 * some['der']:.1f} %"
        figures[f"missed, false, confused, {kind}"] = (
            f"{100 * none['miss']:.1f}, {100 * none['false_alarm']:.1f}, {100 * none['confusion']:.1f} %"
        )
        figures[f"speakers counted right, {kind}"] = f"{100 * none['speakers_right']:.0f} %"
    figures["diarization"] = f"{found['diarize']['audio_seconds_per_cpu_second']:.0f} × real time"
    figures["embedding"] = f"{found['speed']['audio_seconds_per_cpu_second']:.0f} × real time"
    return figures
