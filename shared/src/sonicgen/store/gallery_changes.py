"""What an index outside the database is yet to be told of the profiles: an outbox without a queue of its own.

A profile says itself whether the index may hold it (`is_offered`) and whether that is its present form (`is_settled`).
The rows of a batch stay locked while it is sent, so that an older form never overtakes a newer one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from sonicgen.domain.voice import VoiceModel
from sonicgen.store.database import Database
from sonicgen.store.statements import load_statements
from sonicgen.store.voice_rows import vector_of

_SQL = load_statements("gallery")


@dataclass(frozen=True, slots=True)
class ChangedProfile:
    """A profile in its present form."""

    model: VoiceModel
    speaker_id: UUID
    vector: NDArray[np.float32]
    is_known: bool
    seconds: float
    voiceprints: int


def offer(database: Database, model: VoiceModel | None = None) -> None:
    """Note that every profile that is yet to be sent may be in the index from now on."""
    database.execute(_SQL["offer"], {"model_key": model.key if model else None})


@contextmanager
def changed(database: Database, model: VoiceModel | None, limit: int) -> Iterator[Sequence[ChangedProfile]]:
    """Give some profiles that the index has not in their present form; it has when the block ends without an error."""
    with database.transaction() as connection:
        values = {"model_key": model.key if model else None, "limit": limit}
        rows = connection.execute(_SQL["unsettled"], values).fetchall()
        yield [
            ChangedProfile(
                VoiceModel(row["model"], row["version"], row["dim"]),
                row["speaker_id"],
                vector_of(row),
                row["is_known"],
                row["duration_seconds"],
                row["embeddings"],
            )
            for row in rows
        ]
        connection.execute(_SQL["settle"], _keys([(row["model_key"], row["speaker_id"]) for row in rows]))


@contextmanager
def removed(database: Database, model: VoiceModel | None, limit: int) -> Iterator[Sequence[tuple[str, UUID]]]:
    """Give some profiles, by model key and speaker, that the index is to lose; it has when the block ends."""
    with database.transaction() as connection:
        values = {"model_key": model.key if model else None, "limit": limit}
        keys = [(row["model_key"], row["speaker_id"]) for row in connection.execute(_SQL["removals"], values)]
        yield keys
        connection.execute(_SQL["removed"], _keys(keys))


def unsettle(database: Database, model: VoiceModel) -> None:
    """Note that the index is to be told of every profile of a model again."""
    database.execute(_SQL["unsettle"], {"model_key": model.key})


def without_profile(database: Database, model_key: str, speaker_ids: Sequence[UUID]) -> list[UUID]:
    """Return those of these speakers that have no profile of this model."""
    values = {"model_key": model_key, "speaker_ids": list(speaker_ids)}
    held = {row["speaker_id"] for row in database.execute(_SQL["held"], values)}
    return [speaker_id for speaker_id in speaker_ids if speaker_id not in held]


def _keys(keys: Sequence[tuple[str, UUID]]) -> dict[str, object]:
    return {"model_keys": [key for key, _ in keys], "speaker_ids": [speaker_id for _, speaker_id in keys]}
