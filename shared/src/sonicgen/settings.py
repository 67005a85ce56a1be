"""Everything a user sets, read once at the edge: the environment, then `.env`.

Every secret may be given as NAME or, as a path to a file that holds it, NAME_FILE.
"""

from __future__ import annotations

import os
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from tempfile import gettempdir
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from sonicgen.errors import SettingsError

# Where the repository lies when the package is used from it, as `make run` does.
REPOSITORY = Path(__file__).parents[3]
_SECRETS = (
    "DATABASE_URL",
    "SONICGEN_DATABASE_READ_URL",
    "YOUTUBE_API_KEY",
    "SONICGEN_COOKIES",
    "SONICGEN_PROXY",
    "ASSEMBLYAI_API_KEY",
    "SONICGEN_WEBHOOK_SECRET",
    "PINECONE_API_KEY",
    "SUPABASE_JWT_SECRET",
)
# A day's limit: "2.5h" of sound, or "10" of money.
_BUDGET = r"^\d+(\.\d+)?\s*h?$"


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
    database_read_url: str | None = Field(default=None, repr=False, alias="SONICGEN_DATABASE_READ_URL")

    storage_emulator_host: str | None = Field(default=None, alias="STORAGE_EMULATOR_HOST")

    false_positive_rate: float = Field(default=1e-3, gt=0, lt=1, alias="SONICGEN_FALSE_POSITIVE_RATE")
    duplicate_coverage: float = Field(default=0.9, gt=0, le=1, alias="SONICGEN_DUPLICATE_COVERAGE")
    trusted_channels: str = Field(default="", alias="SONICGEN_TRUSTED_CHANNELS")
    match_policy: Literal["chance", "v1", "v2"] = Field(default="chance", alias="SONICGEN_MATCH_POLICY")
    lease_seconds: float = Field(default=30.0, ge=1, alias="SONICGEN_LEASE_SECONDS")

    youtube_api_key: str | None = Field(default=None, repr=False, alias="YOUTUBE_API_KEY")
    youtube_endpoint: str | None = Field(default=None, alias="SONICGEN_YOUTUBE_ENDPOINT")
    youtube_daily_units: int = Field(default=10_000, ge=0, alias="SONICGEN_YOUTUBE_DAILY_UNITS")
    poll_seconds: int = Field(default=3600, ge=60, alias="SONICGEN_POLL_SECONDS")
    websub_callback_url: str | None = Field(default=None, alias="SONICGEN_WEBSUB_CALLBACK_URL")
    websub_hub: str = Field(default="https://pubsubhubbub.appspot.com/", alias="SONICGEN_WEBSUB_HUB")
    downloads_enabled: bool = Field(default=True, alias="SONICGEN_DOWNLOADS")

    download_dir: Path = Field(default=Path(gettempdir()) / "sonicgen-downloads", alias="SONICGEN_DOWNLOAD_DIR")
    download_seconds: float = Field(default=480.0, gt=0, alias="SONICGEN_DOWNLOAD_SECONDS")
    download_job_seconds: float = Field(default=4 * 3600.0, gt=0, alias="SONICGEN_DOWNLOAD_JOB_SECONDS")
    download_stall_seconds: float = Field(default=60.0, gt=0, alias="SONICGEN_DOWNLOAD_STALL_SECONDS")
    download_bytes: int = Field(default=4 * 2**30, gt=0, alias="SONICGEN_DOWNLOAD_BYTES")
    download_long_hours: float = Field(default=3.0, gt=0, alias="SONICGEN_DOWNLOAD_LONG_HOURS")
    download_maximum_hours: float = Field(default=24.0, gt=0, alias="SONICGEN_DOWNLOAD_MAXIMUM_HOURS")
    download_bytes_per_second: int | None = Field(default=None, gt=0, alias="SONICGEN_DOWNLOAD_BYTES_PER_SECOND")
    download_throttled_bytes_per_second: int | None = Field(
        default=None, gt=0, alias="SONICGEN_DOWNLOAD_THROTTLED_BYTES_PER_SECOND"
    )
    download_sleep_seconds: float = Field(default=0.0, ge=0, alias="SONICGEN_DOWNLOAD_SLEEP_SECONDS")
    allowed_hosts: str = Field(default="", alias="SONICGEN_ALLOWED_HOSTS")
    cookies: str | None = Field(default=None, repr=False, alias="SONICGEN_COOKIES")
    proxy: str | None = Field(default=None, repr=False, alias="SONICGEN_PROXY")
    pot_provider_url: str | None = Field(default=None, alias="SONICGEN_POT_PROVIDER_URL")
    download_job: str = Field(default="video-download", alias="SONICGEN_DOWNLOAD_JOB")
    location: str = Field(default="us-central1", alias="SONICGEN_LOCATION")
    jobs_endpoint: str | None = Field(default=None, alias="SONICGEN_JOBS_ENDPOINT")

    transcription: Literal["auto", "off", "assemblyai", "local"] = Field(default="auto", alias="SONICGEN_TRANSCRIPTION")
    assemblyai_api_key: str | None = Field(default=None, alias="ASSEMBLYAI_API_KEY")
    assemblyai_base_url: str = Field(default="https://api.assemblyai.com", alias="ASSEMBLYAI_BASE_URL")
    local_transcriber_url: str | None = Field(default=None, alias="SONICGEN_LOCAL_TRANSCRIBER_URL")
    webhook_url: str | None = Field(default=None, alias="SONICGEN_WEBHOOK_URL")
    webhook_secret: str | None = Field(default=None, min_length=16, alias="SONICGEN_WEBHOOK_SECRET")
    vocabulary: str = Field(default="", alias="SONICGEN_VOCABULARY")
    transcription_price_per_hour: Decimal = Field(default=Decimal("0.17"), ge=0, alias="SONICGEN_TRANSCRIPTION_PRICE")
    compute_price_per_hour: Decimal = Field(default=Decimal("0.01"), ge=0, alias="SONICGEN_COMPUTE_PRICE")
    currency: str = Field(default="USD", alias="SONICGEN_CURRENCY")
    transcription_budget: str | None = Field(default=None, pattern=_BUDGET, alias="SONICGEN_TRANSCRIPTION_BUDGET")
    channel_budget: str | None = Field(default=None, pattern=_BUDGET, alias="SONICGEN_CHANNEL_BUDGET")
    transcription_poll_seconds: float = Field(default=120.0, ge=1, alias="SONICGEN_TRANSCRIPTION_POLL_SECONDS")
    retention_days: int = Field(default=90, ge=0, alias="SONICGEN_RETENTION_DAYS")
    maintenance_seconds: float = Field(default=60.0, ge=1, alias="SONICGEN_MAINTENANCE_SECONDS")
    recogniser: Literal["pocketsphinx", "faster-whisper"] = Field(default="pocketsphinx", alias="SONICGEN_RECOGNISER")
    whisper_model: str | None = Field(default=None, alias="SONICGEN_WHISPER_MODEL")

    access: Literal["auto", "open", "keys"] = Field(default="auto", alias="SONICGEN_ACCESS")
    trusted_proxies: int = Field(default=0, ge=0, le=10, alias="SONICGEN_TRUSTED_PROXIES")
    anonymous_finds_per_hour: int = Field(default=10, ge=1, alias="SONICGEN_ANONYMOUS_FINDS")
    key_finds_per_hour: int = Field(default=100, ge=1, alias="SONICGEN_KEY_FINDS")
    supabase_url: str | None = Field(default=None, alias="SUPABASE_URL")
    supabase_anon_key: str | None = Field(default=None, repr=False, alias="SUPABASE_ANON_KEY")
    supabase_jwt_secret: str | None = Field(default=None, repr=False, alias="SUPABASE_JWT_SECRET")
    find_bytes: int = Field(default=100 * 2**20, gt=0, alias="SONICGEN_FIND_BYTES")
    find_sound_seconds: float = Field(default=3600.0, gt=0, alias="SONICGEN_FIND_SOUND_SECONDS")
    find_decode_seconds: float = Field(default=60.0, gt=0, alias="SONICGEN_FIND_DECODE_SECONDS")
    find_download_seconds: float = Field(default=60.0, gt=0, alias="SONICGEN_FIND_DOWNLOAD_SECONDS")
    find_workers: int = Field(default=2, ge=1, alias="SONICGEN_FIND_WORKERS")
    find_queue: int = Field(default=200, ge=1, alias="SONICGEN_FIND_QUEUE")

    # The embedder, as its clients see it and as it runs.
    embedder_url: str | None = Field(default=None, alias="SONICGEN_EMBEDDER_URL")
    embedder: Literal["on", "off"] = Field(default="on", alias="SONICGEN_EMBEDDER")
    embedder_requests: int = Field(default=256, ge=1, alias="SONICGEN_EMBEDDER_REQUESTS")
    embedder_upload_bytes: int = Field(default=512 * 2**20, gt=0, alias="SONICGEN_EMBEDDER_UPLOAD_BYTES")
    embedder_held_bytes: int = Field(default=4 * 2**30, gt=0, alias="SONICGEN_EMBEDDER_HELD_BYTES")
    embedder_audio_hours: float = Field(default=4.0, gt=0, alias="SONICGEN_EMBEDDER_AUDIO_HOURS")
    embedder_decode_seconds: float = Field(default=120.0, gt=0, alias="SONICGEN_EMBEDDER_DECODE_SECONDS")
    embedder_wait_ms: float = Field(default=8.0, ge=0, le=1000, alias="SONICGEN_EMBEDDER_WAIT_MS")
    embedder_drain_seconds: float = Field(default=25.0, ge=0, alias="SONICGEN_EMBEDDER_DRAIN_SECONDS")
    clip_seconds: float = Field(default=30.0, ge=3, le=300, alias="SONICGEN_CLIP_SECONDS")
    enrolment_seconds: float = Field(default=10.0, ge=1, alias="SONICGEN_ENROLMENT_SECONDS")

    encoder: Literal["auto", "campplus", "ecapa", "ecapa-small", "ge2e"] = Field(
        default="auto", alias="SONICGEN_ENCODER"
    )
    campplus_weights: str | None = Field(default=None, alias="SONICGEN_CAMPPLUS_WEIGHTS")
    ecapa_weights: str | None = Field(default=None, alias="SONICGEN_ECAPA_WEIGHTS")
    ge2e_weights: str | None = Field(default=None, alias="SONICGEN_GE2E_WEIGHTS")
    diarization: Literal["auto", "pyannote", "own"] = Field(default="auto", alias="SONICGEN_DIARIZATION")
    pyannote_weights: str | None = Field(default=None, alias="SONICGEN_PYANNOTE_WEIGHTS")

    gallery: Literal["auto", "pgvector", "pinecone"] = Field(default="auto", alias="SONICGEN_GALLERY")
    pinecone_api_key: str | None = Field(default=None, repr=False, alias="PINECONE_API_KEY")
    pinecone_index: str | None = Field(default=None, alias="PINECONE_INDEX")
    pinecone_host: str | None = Field(default=None, alias="PINECONE_HOST")

    @property
    def gallery_index(self) -> Literal["pgvector", "pinecone"]:
        """What finds the nearest voices: Pinecone as soon as it has a key, unless a setting says otherwise."""
        if self.gallery == "auto":
            return "pinecone" if self.pinecone_api_key else "pgvector"
        return self.gallery

    @property
    def hears_voices(self) -> bool:
        """Whether there is an embedder, without which nobody is recognised."""
        return self.embedder_url is not None

    @property
    def is_embedded(self) -> bool:
        """Whether the embedded cloud stands in for Google Cloud."""
        return self.storage_emulator_host is not None

    @property
    def allowed_places(self) -> frozenset[str]:
        """The private places, each as "host:port", that links may lead to all the same."""
        return frozenset(place.strip().lower() for place in self.allowed_hosts.split(",") if place.strip())

    @property
    def trusted_channel_ids(self) -> frozenset[str]:
        """The channels that are the source of what others hold too."""
        return frozenset(channel.strip() for channel in self.trusted_channels.split(",") if channel.strip())

    @property
    def transcription_provider(self) -> Literal["assemblyai", "local"] | None:
        """Who transcribes, None when nobody does; `explain_transcription` says why."""
        if self.transcription == "off":
            return None
        if self.transcription != "local" and self.assemblyai_api_key:
            return "assemblyai"
        return "local" if self.transcription != "assemblyai" and self.local_transcriber_url else None

    def explain_transcription(self) -> str:
        """Return one sentence for people: who transcribes, or what is missing."""
        if self.transcription_provider == "assemblyai":
            return f"AssemblyAI at {self.assemblyai_base_url}"
        if self.transcription_provider == "local":
            return f"stand-in on this machine with {self.recogniser}: poor words, and nothing leaves it"
        if self.transcription == "off":
            return "turned off by SONICGEN_TRANSCRIPTION"
        if self.transcription == "local":
            return "off: the stand-in of the embedded cloud does not run"
        if self.transcription == "assemblyai":
            return "ASSEMBLYAI_API_KEY is not set; get a key at https://www.assemblyai.com/dashboard"
        return "off: ASSEMBLYAI_API_KEY is not set, and the stand-in of the embedded cloud does not run"

    @property
    def key_terms(self) -> tuple[str, ...]:
        """Words and names that a recogniser should expect."""
        return tuple(term.strip() for term in self.vocabulary.split(",") if term.strip())

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
