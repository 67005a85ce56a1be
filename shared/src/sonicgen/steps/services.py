"""What a step works with: settings, database, bus and ledger, each made when first used."""

from __future__ import annotations

import threading
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sonicgen.cloud import bus, documents
from sonicgen.cloud.cooldowns import Cooldowns
from sonicgen.cloud.once import Ledger
from sonicgen.errors import SettingsError
from sonicgen.services.downloader import Downloader
from sonicgen.services.guard import Guard
from sonicgen.settings import Settings, settings
from sonicgen.store.database import Database
from sonicgen.store.gallery import PgvectorGallery

if TYPE_CHECKING:
    from sonicgen.services.embedder import Embedder
    from sonicgen.services.gallery import Gallery
    from sonicgen.services.transcriber import Transcriber

# The header by which the webhook knows its caller.
WEBHOOK_HEADER = "X-SonicGen-Webhook-Secret"
# What the stand-in is given as key; it takes any.
_LOCAL_KEY = "local"


class Services:
    """The services of one process; safe to share between threads once made."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()

    @cached_property
    def database(self) -> Database:
        """Postgres; raises SettingsError when no address is set."""
        return Database(self.settings.require_database_url())

    @cached_property
    def replica(self) -> Database:
        """Postgres for questions that may miss what was stored a moment ago; the database when no other is set."""
        return self.database if self.settings.database_read_url is None else Database(self.settings.database_read_url)

    @cached_property
    def guard(self) -> Guard:
        """What may be fetched."""
        return Guard(self.settings.allowed_places, self.settings.proxy)

    @cached_property
    def downloader(self) -> Downloader:
        """yt-dlp."""
        return Downloader(self.settings)

    @cached_property
    def cooldowns(self) -> Cooldowns:
        """Whom we leave alone for a while, as the way out that we take is known there."""
        proxy = urlsplit(self.settings.proxy or "")
        return Cooldowns(documents.client(), egress=f"{proxy.hostname}:{proxy.port}" if proxy.hostname else "direct")

    @cached_property
    def ledger(self) -> Ledger:
        """The event ledger."""
        return Ledger(documents.client(), lease_seconds=self.settings.lease_seconds)

    @cached_property
    def embedder(self) -> Embedder:
        """Who turns voices into vectors; raises SettingsError when no address is set."""
        from sonicgen.services.embedder import make_embedder

        return make_embedder(self.settings)

    @cached_property
    def gallery(self) -> Gallery:
        """The vectors of voices; raises SettingsError when what the settings name for it is incomplete."""
        return make_gallery(self.settings, self.database)

    @cached_property
    def _transcribers(self) -> dict[str, Transcriber]:
        return {}

    def transcriber(self, provider: str) -> Transcriber:
        """Return who transcribes under this name; raises SettingsError when its settings are missing."""
        with self._lock:
            if provider not in self._transcribers:
                self._transcribers[provider] = make_transcriber(self.settings, provider)
            return self._transcribers[provider]

    def close(self) -> None:
        """Close what was opened."""
        for name in ("database", "replica", "embedder", "gallery"):
            if name in self.__dict__:
                self.__dict__[name].close()
        for transcriber in self._transcribers.values():
            transcriber.close()
        documents.close_client()
        bus.close()


@lru_cache(maxsize=1)
def services() -> Services:
    """Return this process's services."""
    return Services(settings())


def make_transcriber(settings: Settings, provider: str) -> Transcriber:
    """Return who transcribes under this name; raises SettingsError when its settings are missing."""
    # Imported here: the SDK takes 0.4 s, which only those need who transcribe.
    from sonicgen.services.transcriber import Transcriber, Webhook

    webhook = None
    if settings.webhook_url and settings.webhook_secret:
        webhook = Webhook(settings.webhook_url, WEBHOOK_HEADER, settings.webhook_secret)
    if provider == "local":
        if settings.local_transcriber_url is None:
            raise SettingsError(
                "The stand-in for AssemblyAI does not run; start the embedded cloud with `sonicgen up`."
            )
        key, address = _LOCAL_KEY, settings.local_transcriber_url
    else:
        if settings.assemblyai_api_key is None:
            raise SettingsError("ASSEMBLYAI_API_KEY is not set; get a key at https://www.assemblyai.com/dashboard.")
        key, address = settings.assemblyai_api_key, settings.assemblyai_base_url
    return Transcriber(provider, key, address, key_terms=settings.key_terms, webhook=webhook)


def make_gallery(settings: Settings, database: Database) -> Gallery:
    """Return the gallery of voices; raises SettingsError when Pinecone is to search it and its settings are missing."""
    if settings.gallery_index == "pgvector":
        return PgvectorGallery(database)
    if settings.pinecone_api_key is None:
        raise SettingsError(
            "PINECONE_API_KEY is not set; get a key at https://app.pinecone.io, or set SONICGEN_GALLERY."
        )
    if settings.pinecone_host is None and settings.pinecone_index is None:
        raise SettingsError("Neither PINECONE_INDEX nor PINECONE_HOST is set; name an index of your Pinecone project.")
    try:
        # Imported here: an extra, and only they need it who search by Pinecone.
        from sonicgen.services.pinecone_index import PineconeIndex
        from sonicgen.steps.pinecone_gallery import PineconeGallery
    except ModuleNotFoundError as error:
        raise SettingsError("Pinecone's client is not installed; run: pip install 'sonicgen[pinecone]'.") from error
    index = PineconeIndex(settings.pinecone_api_key, host=settings.pinecone_host, name=settings.pinecone_index)
    return PineconeGallery(database, index)
