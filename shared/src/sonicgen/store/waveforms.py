"""Waveforms as Postgres keeps them: made once, when somebody first looks at a recording."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sonicgen.store.database import Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("waveforms")


@dataclass(frozen=True, slots=True)
class StoredWaveform:
    """How loud a recording is: a byte for each of equal stretches of its length."""

    seconds: float
    levels: bytes


def find(database: Database, video_id: UUID, generation: int) -> StoredWaveform | None:
    """Return the waveform of these very bytes of a recording, None when none was made."""
    row = database.execute(_SQL["get"], {"video_id": video_id, "generation": generation}).fetchone()
    return None if row is None else StoredWaveform(row["seconds"], bytes(row["levels"]))


def put(database: Database, video_id: UUID, generation: int, waveform: StoredWaveform) -> None:
    """Keep a waveform; of a recording that was forgotten meanwhile nothing is kept."""
    values = {
        "video_id": video_id,
        "generation": generation,
        "seconds": waveform.seconds,
        "levels": waveform.levels,
    }
    database.execute(_SQL["put"], values)
