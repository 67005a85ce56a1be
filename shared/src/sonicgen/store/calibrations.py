"""What the user's own labelled voices say about a model's cosines; at most one calibration a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from sonicgen.domain.voice import VoiceModel
from sonicgen.store.database import Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("calibrations")


@dataclass(frozen=True, slots=True)
class StoredCalibration:
    """Log-odds = slope × cosine + offset; `figures` say what it was fitted on and how good it is there."""

    slope: float
    offset: float
    figures: Mapping[str, object]
    fitted_at: datetime


def get(database: Database, model: VoiceModel) -> StoredCalibration | None:
    """Return the calibration that was fitted for a model, None when there is none."""
    row = database.execute(_SQL["get"], {"model_key": model.key}).fetchone()
    return StoredCalibration(**row) if row is not None else None


def every(database: Database) -> list[tuple[str, StoredCalibration]]:
    """Return all calibrations with the key of their model."""
    rows = database.execute(_SQL["every"]).fetchall()
    return [(row.pop("model_key"), StoredCalibration(**row)) for row in rows]


def put(database: Database, model: VoiceModel, slope: float, offset: float, figures: Mapping[str, object]) -> None:
    """Keep a calibration in place of the one before."""
    values = {
        "model_key": model.key,
        "model": model.name,
        "version": model.version,
        "slope": slope,
        "offset": offset,
        "figures": Jsonb(dict(figures)),
    }
    database.execute(_SQL["put"], values)


def remove(database: Database, model: VoiceModel) -> bool:
    """Go back to the encoder's own calibration; whether there was another."""
    return database.execute(_SQL["remove"], {"model_key": model.key}).rowcount > 0
