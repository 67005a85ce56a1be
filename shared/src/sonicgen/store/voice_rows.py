"""Vectors of voices as they travel to and from Postgres."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg.rows import DictRow

from sonicgen.domain.gallery import StoredVoiceprint, Voiceprint
from sonicgen.domain.voice import VoiceModel
from sonicgen.errors import InputError

Vectors = NDArray[np.float32]

_HEADER_BYTES = 4  # what pgvector's binary form has before its big-endian floats


def unit_rows(model: VoiceModel, vectors: Vectors) -> Vectors:
    """Return the rows at length one; raise InputError when they cannot be this model's."""
    rows = np.asarray(vectors, np.float32)
    if rows.size == 0:
        return rows.reshape(0, model.dimension)
    if rows.ndim != 2 or rows.shape[1] != model.dimension:
        raise InputError(f"Vectors of {model.key} have {model.dimension} numbers, not {rows.shape[-1]}.")
    norms = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    if not np.isfinite(norms).all() or not norms.all():
        raise InputError("A voice's vector needs finite numbers that are not all zero.")
    return np.asarray(rows / norms, np.float32)


def stored_voiceprint(row: DictRow) -> tuple[StoredVoiceprint, Vectors]:
    """Return a row of `speaker_embeddings` with its vector."""
    voiceprint = Voiceprint(
        source=row["source"],
        seconds=row["duration_seconds"],
        speaker_id=row["speaker_id"],
        is_known=row["is_known"],
        in_profile=row["in_profile"],
        recording_id=row["video_id"],
        voice=row["voice"],
    )
    return StoredVoiceprint(row["id"], VoiceModel(row["model"], row["version"], row["dim"]), voiceprint), vector_of(row)


def vector_of(row: Mapping[str, Any]) -> Vectors:
    """Return the vector of a row whose `embedding` is pgvector's binary form."""
    return np.frombuffer(row["embedding"], ">f4", offset=_HEADER_BYTES).astype(np.float32)
