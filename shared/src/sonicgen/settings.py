"""Everything a user sets, read once at the edge: the environment, then `.env`.

Every secret may be given as NAME or, as a path to a file that holds it, NAME_FILE.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from sonicgen.errors import SettingsError

# Where the repository lies when the package is used from it, as `make run` does.
REPOSITORY = Path(__file__).parents[3]
_SECRETS = ("DATABASE_URL", "ASSEMBLYAI_API_KEY")


class Settings(BaseSettings):
    """The settings of one process; immutable. `.env.example` describes each for people."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True, populate_by_name=True
    )

    data_dir: Path = Field(default=Path("data"), alias="SONICGEN_DATA")
    port: int = Field(default=8080, ge=0, le=65535, alias="SONICGEN_PORT")
    functions_dir: Path = Field(default=REPOSITORY / "functions", alias="SONICGEN_FUNCTIONS")
    log_level: str = Field(default="INFO", alias="SONICGEN_LOG_LEVEL")

    project_id: str = Field(default="sonicgen-local", alias="GOOGLE_CLOUD_PROJECT")
    inbox_bucket: str = Field(default="sonicgen-inbox", alias="SONICGEN_INBOX_BUCKET")
    media_bucket: str = Field(default="sonicgen-media", alias="SONICGEN_MEDIA_BUCKET")
    database_url: str | None = Field(default=None, alias="DATABASE_URL")

    storage_emulator_host: str | None = Field(default=None, alias="STORAGE_EMULATOR_HOST")

    false_positive_rate: float = Field(default=1e-3, gt=0, lt=1, alias="SONICGEN_FALSE_POSITIVE_RATE")
    duplicate_coverage: float = Field(default=0.9, gt=0, le=1, alias="SONICGEN_DUPLICATE_COVERAGE")
    match_policy: Literal["chance", "v1", "v2"] = Field(default="chance", alias="SONICGEN_MATCH_POLICY")
    lease_seconds: float = Field(default=30.0, ge=1, alias="SONICGEN_LEASE_SECONDS")

    transcription: Literal["auto", "off", "assemblyai", "local"] = Field(default="auto", alias="SONICGEN_TRANSCRIPTION")
    assemblyai_api_key: str | None = Field(default=None, alias="ASSEMBLYAI_API_KEY")
    assemblyai_base_url: str = Field(default="https://api.assemblyai.com", alias="ASSEMBLYAI_BASE_URL")
    recogniser: Literal["pocketsphinx", "faster-whisper"] = Field(default="pocketsphinx", alias="SONICGEN_RECOGNISER")
    whisper_model: str | None = Field(default=None, alias="SONICGEN_WHISPER_MODEL")

    @property
    def is_embedded(self) -> bool:
        """Whether the embedded cloud stands in for Google Cloud."""
        return self.storage_emulator_host is not None

    def require_database_url(self) -> str:
        """Return the Postgres address; raise SettingsError with the way to get one when there is none."""
        if self.database_url is None:
            raise SettingsError(
                "DATABASE_URL is not set. Start the embedded cloud with `sonicgen up`, or put your Supabase "
                "project's connection string (Project settings, Database, Connection pooling) into .env."
            )
        return self.database_url


def read_settings(**overrides: object) -> Settings:
    """Read the settings from the environment and `.env`; keyword arguments win.

    Raises SettingsError naming each variable that is wrong.
    """
    for name in _SECRETS:
        path = os.environ.get(f"{name}_FILE")
        if path and not os.environ.get(name) and name not in overrides:
            try:
                overrides[name] = Path(path).read_text().strip()
            except OSError as error:
                raise SettingsError(f"{name}_FILE names {path}, which cannot be read: {error.strerror}.") from error
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"Wrong setting. {faults}.") from error


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return this process's settings, read at the first call."""
    return read_settings()
