"""Ask for a source to be read, as anybody may who can publish to the topic; and tell how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sonicgen.cloud.bus import publish_event
from sonicgen.domain.address import parse_address
from sonicgen.domain.filters import Filters
from sonicgen.domain.source import Source, SourceKind, SourceReason, SourceState, source_id
from sonicgen.events.channel_ingest import ChannelIngest
from sonicgen.steps.channel_ingest import TOPIC
from sonicgen.steps.services import Services
from sonicgen.store import quota, sources
from sonicgen.store.quota import Quota


@dataclass(frozen=True, slots=True)
class Asked:
    """A source that was asked for; `before` is how often it had been read then."""

    text: str
    source_id: UUID
    before: int


def ask_source(
    services: Services,
    text: str,
    filters: Filters,
    *,
    watch: bool = False,
    poll_every_seconds: int | None = None,
    kind: SourceKind | None = None,
) -> Asked:
    """Publish the request for a source. Raises InputError for what is none, UnavailableError."""
    address = parse_address(text, kind)
    known = _followed(services, source_id(address.kind, address.address))
    request = ChannelIngest(
        address=address.address if address.address.startswith("@") else address.url,
        time=datetime.now(UTC),
        filters=filters,
        watch=watch,
        poll_every_seconds=poll_every_seconds,
        kind=address.kind,
    )
    publish_event(TOPIC, request)
    if known is None:
        return Asked(text, source_id(address.kind, address.address), 0)
    return Asked(text, known.id, known.read_number)


def look_at(services: Services, asked: Asked) -> tuple[Source | None, bool]:
    """Return how an asked-for source stands, None before anybody took it in hand, and whether its reading has ended."""
    source = _followed(services, asked.source_id)
    if source is None or (source.id == asked.source_id and source.read_number <= asked.before):
        return source, False
    return source, source.state is not SourceState.ACTIVE or source.reason is SourceReason.WATCHED


def youtube_quota(services: Services) -> Quota:
    """Return what is spent today of the YouTube Data API's units."""
    return quota.today(services.database, quota.YOUTUBE, services.settings.youtube_daily_units)


def source_json(source: Source) -> dict[str, object]:
    """Return the documented JSON form of a source (docs/api.md)."""
    return {
        "id": str(source.id),
        "kind": source.kind,
        "address": source.address,
        "title": source.title,
        "channel_id": source.channel_id,
        "state": source.state,
        "reason": source.reason,
        "explanation": source.explain(),
        "filters": source.filters.to_json(),
        "discovered": source.discovered,
        "new": source.taken,
        "filtered": source.filtered,
        "units": source.units,
        "is_watched": source.is_watched,
        "poll_every_seconds": source.poll_every_seconds,
        "next_poll_at": _written(source.next_poll_at),
        "push": source.websub_state,
        "same_as": str(source.same_as) if source.same_as else None,
        "created_at": _written(source.created_at),
        "updated_at": _written(source.updated_at),
    }


def _followed(services: Services, identifier: UUID) -> Source | None:
    source = sources.find(services.database, identifier)
    return sources.find(services.database, source.same_as) if source and source.same_as else source


def _written(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
