"""What a step works with: settings, database, bus and ledger, each made when first used."""

from __future__ import annotations

from functools import cached_property, lru_cache
from urllib.parse import urlsplit

from sonicgen.cloud import bus, documents
from sonicgen.cloud.cooldowns import Cooldowns
from sonicgen.cloud.once import Ledger
from sonicgen.services.downloader import Downloader
from sonicgen.services.guard import Guard
from sonicgen.settings import Settings, settings
from sonicgen.store.database import Database


class Services:
    """The services of one process; safe to share between threads once made."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def database(self) -> Database:
        """Postgres; raises SettingsError when no address is set."""
        return Database(self.settings.require_database_url())

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

    def close(self) -> None:
        """Close what was opened."""
        if "database" in self.__dict__:
            self.database.close()
        documents.close_client()
        bus.close()


@lru_cache(maxsize=1)
def services() -> Services:
    """Return this process's services."""
    return Services(settings())
