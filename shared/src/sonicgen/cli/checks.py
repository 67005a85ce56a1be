"""What `sonicgen doctor` looks at."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from sonicgen.cli.connect import connected_settings
from sonicgen.errors import LocalError, SonicGenError
from sonicgen.local.folder import MINIMUM_FREE_BYTES, DataFolder
from sonicgen.settings import Settings

if TYPE_CHECKING:
    from sonicgen.steps.services import Services


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the system. `works` is None for what is not there, and need not be."""

    name: str
    provider: str
    works: bool | None
    detail: str

    def to_json(self) -> dict[str, object]:
        """Return it for `--json`."""
        return asdict(self)


def check_parts(settings: Settings) -> list[Part]:
    """Look at every part; never raises for a part that fails."""
    parts = [Part("runtime", "Python", sys.version_info >= (3, 11), sys.version.split()[0]), _media(), _disk(settings)]
    try:
        settings = connected_settings()
    except SonicGenError as error:
        return [*parts, Part("system", "embedded cloud", False, str(error))]
    from sonicgen.steps.services import Services

    services = Services(settings)
    try:
        parts += _services(services)
    finally:
        services.close()
    return parts


def _services(services: Services) -> Iterator[Part]:
    settings = services.settings
    where = "embedded" if settings.is_embedded else "cloud"
    yield _check("database", f"Postgres ({where})", lambda: _database(services))
    yield _check("buckets", f"Cloud Storage ({where})", lambda: _buckets(settings))
    yield _check("bus", f"Pub/Sub ({where})", lambda: _bus())
    yield _check("documents", f"Firestore ({where})", lambda: _documents(services))
    yield _channels(settings)
    yield _check("downloads", "yt-dlp", lambda: _downloads(services))
    yield _transcription(services)
    yield _voices(services)
    yield _check("gallery", settings.gallery_index, lambda: _gallery(services))
    yield _check("speakers", f"Postgres ({where})", lambda: _speakers(services))


def _check(name: str, provider: str, look: Callable[[], str]) -> Part:
    try:
        return Part(name, provider, True, look())
    except SonicGenError as error:
        return Part(name, provider, False, str(error))


def _database(services: Services) -> str:
    from sonicgen.sound.versions import current_version
    from sonicgen.store import postings, recordings
    from sonicgen.store.migrations import pending_migrations

    pending = pending_migrations(services.database)
    if pending:
        raise LocalError(f"The schema is behind by {len(pending)}; run `sonicgen migrate`.")
    counts = recordings.counts_by_status(services.database)
    hours = postings.indexed_seconds(services.database) / 3600
    told = f"{sum(counts.values())} recordings, {hours:.2f} h in the index"
    versions = postings.counts_by_version(services.database)
    if any(version != current_version() for version in versions):
        shares = ", ".join(f"{count:,} of version {version}" for version, count in versions.items())
        told += f"; fingerprints: {shares}; sonicgen backfill --refingerprint"
    return told


def _buckets(settings: Settings) -> str:
    from sonicgen.cloud.objects import check_bucket

    for bucket in (settings.inbox_bucket, settings.media_bucket):
        check_bucket(bucket)
    return f"{settings.inbox_bucket}, {settings.media_bucket}"


def _bus() -> str:
    from sonicgen.cloud.bus import list_dead_letters
    from sonicgen.steps.replay import DEAD_LETTERS_HOLD

    letters = len(list(list_dead_letters(DEAD_LETTERS_HOLD, limit=1_000)))
    return f"{letters} dead letters; sonicgen replay" if letters else "no dead letters"


def _documents(services: Services) -> str:
    services.ledger.read("doctor", "reachable")
    return "ledger answers"


def _channels(settings: Settings) -> Part:
    if settings.youtube_api_key:
        return Part("channels", "YouTube Data API", True, f"a key is set, {settings.youtube_daily_units:,} units a day")
    return Part("channels", "YouTube Data API", None, "YOUTUBE_API_KEY is not set; feeds and links need none")


def _downloads(services: Services) -> str:
    from sonicgen.domain.download import DownloadState
    from sonicgen.store import downloads

    settings = services.settings
    if not settings.downloads_enabled:
        return "switched off (SONICGEN_DOWNLOADS)"
    beside = shutil.which("deno", path=str(Path(sys.executable).parent)) or shutil.which("deno")
    told = [f"yt-dlp {version('yt-dlp')}", "deno" if beside else "no deno: YouTube needs it"]
    given = {"cookies": settings.cookies, "proxy": settings.proxy, "PO tokens": settings.pot_provider_url}
    told += [name for name, value in given.items() if value]
    counted = downloads.counts(services.database)
    for state in (DownloadState.FAILED, DownloadState.WAITING):
        count = sum(number for each, _, number in counted if each is state)
        told += [f"{count} {state}"] if count else []
    return ", ".join(told)


def _transcription(services: Services) -> Part:
    settings = services.settings
    provider = settings.transcription_provider
    if provider is None:
        wanted = settings.transcription in {"assemblyai", "local"}
        return Part("transcription", "–", False if wanted else None, settings.explain_transcription())
    name = "AssemblyAI" if provider == "assemblyai" else "stand-in for AssemblyAI (embedded)"

    def look() -> str:
        services.transcriber(provider).check()
        told = settings.explain_transcription()
        if settings.webhook_url is None:
            return f"{told}; no SONICGEN_WEBHOOK_URL: asked every {settings.transcription_poll_seconds:.0f} s"
        return told

    return _check("transcription", name, look)


def _voices(services: Services) -> Part:
    settings = services.settings
    if settings.embedder_url is None:
        detail = (
            "switched off (SONICGEN_EMBEDDER)" if settings.embedder == "off" else "SONICGEN_EMBEDDER_URL is not set"
        )
        return Part("voices", "–", None, detail)
    try:
        state = services.embedder.state()
    except SonicGenError as error:
        return Part("voices", "embedder", False, str(error))
    model = state.runner.model
    told = [
        f"{state.runner.backend}, {state.times_real_time:.0f} × real time",
        f"diarization by {state.diarizer}",
        *([state.reason] if state.reason else []),
        *state.notes,
    ]
    return Part("voices", f"{model.name} {model.version}, {model.dimension} dimensions", True, "; ".join(told))


def _speakers(services: Services) -> str:
    from sonicgen.store import voice_models, voices

    counts = voices.counts(services.database)
    told = [f"{counts['people']} people, {counts['groups']} unknown voices"]
    if counts["waiting"]:
        told.append(f"{counts['waiting']} voices wait to be heard")
    with services.database.transaction() as connection:
        serving = [each.model for each in voice_models.list_models(connection)]
    if len(serving) > 1:
        told.append("an older model's vectors are kept (sonicgen voices re-embed --retire)")
    if services.settings.hears_voices:
        try:
            model = services.embedder.runner().model
        except SonicGenError:  # "voices" says why
            return ", ".join(told)
        if serving and model not in serving:
            told.append("the embedder's model lacks vectors (sonicgen voices re-embed)")
    return ", ".join(told)


def _gallery(services: Services) -> str:
    from sonicgen.steps.identify_voices import explain_calibrations

    return "; ".join([services.gallery.check(), *explain_calibrations(services)])


def _media() -> Part:
    try:
        return Part("media", "PyAV (ffmpeg)", True, f"av {version('av')}, numba {version('numba')}")
    except ImportError as error:
        return Part("media", "PyAV (ffmpeg)", False, f"{error}; install sonicgen[media]")


def _disk(settings: Settings) -> Part:
    root = DataFolder(settings.data_dir).root
    present = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(present).free
    return Part("disk", str(root), free > MINIMUM_FREE_BYTES, f"{free / 2**30:.1f} GiB free")
