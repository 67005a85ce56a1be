"""What an hour of sound costs with whom."""

from __future__ import annotations

from decimal import Decimal

from sonicgen.settings import Settings
from sonicgen.store.costs import Price


def price_of(settings: Settings, provider: str) -> Price:
    """Return a provider's price; the stand-in on this machine is free."""
    free = provider == "local"
    return Price(Decimal(0) if free else settings.transcription_price_per_hour, settings.currency)
