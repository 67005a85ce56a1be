"""Stay in step: look at the sources that are due, renew subscriptions, publish what is still owed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sonicgen.cloud.bus import publish_events
from sonicgen.steps.announce_videos import announce_videos
from sonicgen.steps.channel_ingest import TOPIC, request_for
from sonicgen.steps.services import Services
from sonicgen.steps.websub import renew_subscriptions
from sonicgen.store import items, sources

_AT_ONCE = 200
# What more are due than that is left to the next call.
_ROUNDS = 50
# Longer than a page takes from its commit to its events.
_OWED_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Polled:
    """What was set going: sources to be read, subscriptions asked for again, events published late."""

    due: int
    renewed: int
    announced: int


def poll_due_sources(services: Services, at: datetime | None = None) -> Polled:
    """Ask for every source that is due by now (or by `at`) to be read: watched ones, paused ones, and those that stand.

    To be called every few minutes. Safe to call at once from several places: each source is taken by one of them, and
    each occasion is one event. Raises UnavailableError.
    """
    count = 0
    for _ in range(_ROUNDS):
        due = sources.take_due(services.database, _AT_ONCE, at)
        if due:
            publish_events(TOPIC, [request_for(source, f"due {since.isoformat()}") for source, since in due])
        count += len(due)
        if len(due) < _AT_ONCE:
            break
    owing = items.sources_with_unannounced(services.database, _OWED_SECONDS, _AT_ONCE)
    announced = sum(announce_videos(services, source_id) for source_id in owing)
    return Polled(due=count, renewed=renew_subscriptions(services), announced=announced)
