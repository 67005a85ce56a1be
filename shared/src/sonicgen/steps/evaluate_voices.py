"""How well the encoder tells the user's own people apart, and a calibration for them.

The manifest is a CSV file with the columns `speaker` and `path`, paths from its own folder on.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sonicgen.domain.voice import VoiceModel
from sonicgen.errors import InputError, MediaError
from sonicgen.sound.decode import Decoder
from sonicgen.steps.services import Services
from sonicgen.store import calibrations
from sonicgen.voices.activity import find_speech
from sonicgen.voices.encoder import Encoder
from sonicgen.voices.evaluation import Evaluation, LabelledVoices, OpenSet, evaluate
from sonicgen.voices.pieces import embed_whole
from sonicgen.voices.samples import SAMPLE_RATE_HZ, piece

# Of each file: more hardly changes a vector, and an evening's recording need not lie in memory.
MOST_SECONDS = 300.0
LEAST_SPEECH_SECONDS = 1.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line of the manifest that was left out, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The evaluation of one model on one manifest."""

    model: VoiceModel
    evaluation: Evaluation
    skipped: tuple[Skipped, ...]

    def to_json(self) -> dict[str, object]:
        """Return the documented JSON form (docs/identification.md)."""
        found = self.evaluation
        return {
            "model": {"name": self.model.name, "version": self.model.version, "dimension": self.model.dimension},
            "people": found.people,
            "files": found.files,
            "target_pairs": len(found.pairs.targets),
            "impostor_pairs": len(found.pairs.impostors),
            "eer": round(found.equal_error, 5),
            "eer_cosine": round(found.equal_error_cosine, 4),
            "min_dcf": round(found.least_cost, 4),
            "min_dcf_cosine": round(found.least_cost_cosine, 4),
            "own": {**asdict(found.own), "cllr": _rounded(found.profiles.cost(found.own))},
            "fitted": None
            if found.fitted is None
            else {
                **asdict(found.fitted),
                "cllr": _rounded(found.profiles.cost(found.fitted)),
                "cllr_held_out": _rounded(found.held_out),
                "ece": _rounded(found.profiles.error(found.fitted)),
            },
            "open_set": {"own": _set_json(found.own_set), "fitted": _set_json(found.fitted_set)},
            "skipped": [asdict(each) for each in self.skipped],
        }


def read_manifest(path: Path) -> list[tuple[str, Path]]:
    """Return who speaks in which file. Raises InputError when the manifest cannot be used."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = {"speaker", "path"} - set(reader.fieldnames or ())
            if missing:
                raise InputError(f"{path} has no column {' and no column '.join(sorted(missing))}.")
            rows = [(row["speaker"], row["path"]) for row in reader if row["speaker"] and row["path"]]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a CSV file: {error}.") from error
    if not rows:
        raise InputError(f"{path} names no recording.")
    return [(speaker.strip(), path.parent / name.strip()) for speaker, name in rows]


def evaluate_voices(encoder: Encoder, manifest: Path, progress: Progress | None = None) -> Evaluated:
    """Return how well an encoder tells the people of a manifest apart; `progress` is told files done and in all.

    What cannot be heard is left out with its reason. Raises InputError when too little is left.
    """
    rows = read_manifest(manifest)
    names: list[str] = []
    vectors, seconds, skipped = [], [], []
    for number, (speaker, path) in enumerate(rows):
        try:
            vector, spoken = _hear(encoder, path)
        except InputError as error:
            skipped.append(Skipped(str(path), str(error)))
        else:
            names.append(speaker)
            vectors.append(vector)
            seconds.append(spoken)
        if progress:
            progress(number + 1, len(rows))
    if not vectors:
        raise InputError(f"Nothing of {manifest} can be heard; the first: {skipped[0].reason}")
    voices = LabelledVoices(names, np.array(vectors, np.float32), seconds)
    return Evaluated(encoder.model, evaluate(voices, encoder.calibration), tuple(skipped))


def keep_calibration(services: Services, evaluated: Evaluated) -> None:
    """Let the fitted calibration decide from now on. Raises InputError when there is none."""
    fitted = evaluated.evaluation.fitted
    if fitted is None:
        raise InputError("These voices are too few to fit a calibration on; nothing was kept.")
    figures = {name: value for name, value in evaluated.to_json().items() if name not in {"skipped", "model", "own"}}
    calibrations.put(services.database, evaluated.model, fitted.slope, fitted.offset, figures)


def _hear(encoder: Encoder, path: Path) -> tuple[np.ndarray[tuple[int], np.dtype[np.float32]], float]:
    """Return the vector of all speech in a file, and how many seconds that is."""
    try:
        with path.open("rb") as file:
            blocks: list[np.ndarray[tuple[int], np.dtype[np.float32]]] = []
            for block in Decoder(file, SAMPLE_RATE_HZ):
                blocks.append(np.asarray(block, np.float32))
                if sum(map(len, blocks)) >= MOST_SECONDS * SAMPLE_RATE_HZ:
                    break
    except OSError as error:
        raise MediaError("unreadable", f"{path.name} cannot be read: {error.strerror}.") from error
    samples = np.concatenate(blocks) if blocks else np.empty(0, np.float32)
    speech = [
        piece(samples, int(each.start_seconds * SAMPLE_RATE_HZ), int(each.end_seconds * SAMPLE_RATE_HZ))
        for each in find_speech(samples)
    ]
    spoken = sum(map(len, speech)) / SAMPLE_RATE_HZ
    if spoken < LEAST_SPEECH_SECONDS:
        raise MediaError(
            "no_speech", f"{path.name} holds {spoken:.1f} s of speech; {LEAST_SPEECH_SECONDS:g} s are needed."
        )
    return embed_whole(encoder, [np.concatenate(speech)])[0], spoken


def _set_json(found: OpenSet | None) -> dict[str, float] | None:
    return None if found is None else {name: round(value, 5) for name, value in asdict(found).items()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
