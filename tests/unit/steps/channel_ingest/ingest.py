"""Asking for a source, and looking at what came of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

from sonicgen.domain.recording import Recording
from sonicgen.domain.source import Source
from sonicgen.events.channel_ingest import ChannelIngest
from sonicgen.events.video_discovered import VideoDiscovered
from sonicgen.steps.channel_ingest import channel_ingest
from sonicgen.steps.services import Services
from sonicgen.store import quota, recordings, sources
from tests.sources_fixture import Topic

NOW = datetime(2026, 6, 1, tzinfo=UTC)

_numbers = count(1)


def ingest(services: Services, source: str, event_id: str | None = None, **data: Any) -> Source:
    """Do what a message asks for and return the source afterwards."""
    event_id = event_id or f"event-{next(_numbers)}"
    outcome = channel_ingest(services, ChannelIngest.from_data({"source": source, **data}, NOW, event_id))
    return sources.get(services.database, UUID(outcome.value["source_id"]))


def videos(services: Services) -> list[Recording]:
    return recordings.list_page(services.database, limit=100_000).recordings


def events(topic: Topic) -> list[VideoDiscovered]:
    return [VideoDiscovered.from_data(json.loads(message.data), NOW) for message in topic.take()]


def spent(services: Services) -> int:
    return quota.today(services.database, quota.YOUTUBE, 10_000).units
