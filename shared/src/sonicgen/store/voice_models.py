"""The voice models in service: those whose vectors are complete, and what their cosines say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sonicgen.domain.voice import VoiceModel
from sonicgen.store.database import Connection
from sonicgen.store.statements import load_statements

_SQL = load_statements("voice_models")


@dataclass(frozen=True, slots=True)
class ServingModel:
    """A model in service; `is_fitted` says that its calibration was fitted on the user's own voices."""

    model: VoiceModel
    slope: float
    offset: float
    is_fitted: bool
    in_service_since: datetime


def list_models(connection: Connection) -> list[ServingModel]:
    """Return the models in service, the newest last."""
    return [
        ServingModel(
            VoiceModel(row["name"], row["version"], row["dimension"]),
            row["slope"],
            row["offset"],
            row["is_fitted"],
            row["in_service_since"],
        )
        for row in connection.execute(_SQL["list"])
    ]


def put(connection: Connection, model: VoiceModel, *, slope: float, offset: float) -> None:
    """Let voices be compared with a model's vectors from now on; slope and offset are its own calibration."""
    values = {
        "key": model.key,
        "name": model.name,
        "version": model.version,
        "dimension": model.dimension,
        "slope": slope,
        "offset": offset,
    }
    connection.execute(_SQL["put"], values)


def retire(connection: Connection, model: VoiceModel) -> None:
    """Take a model out of service."""
    connection.execute(_SQL["retire"], {"key": model.key})
