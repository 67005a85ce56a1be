"""What an operator looks at: failures, dead letters, quotas, and how much there is of everything."""

from __future__ import annotations

from sonicgen.cloud.bus import list_dead_letters
from sonicgen.domain.recording import MatchStatus
from sonicgen.steps.replay import DEAD_LETTERS_HOLD
from sonicgen.steps.representation import recording_json
from sonicgen.steps.services import Services
from sonicgen.store import downloads, library, postings, quota, recordings, sources

MOST_FAILURES = 20
MOST_LETTERS = 100
_SHOWN_CHARACTERS = 400


def stats(services: Services) -> dict[str, object]:
    """Return how much the system holds; nothing is counted row by row but the recordings' states."""
    counts = recordings.counts_by_status(services.database)
    return {
        "recordings": {str(status or "waiting"): count for status, count in counts.items()},
        "indexed_seconds": round(postings.indexed_seconds(services.database), 1),
        "originals": counts[MatchStatus.FINGERPRINTED],
        "copies": counts[MatchStatus.MATCHED],
        "downloads": [
            {"state": str(state), "reason": str(reason) if reason else None, "count": count}
            for state, reason, count in downloads.counts(services.database)
        ],
    }


def failures(services: Services) -> dict[str, object]:
    """Return what failed lately: recordings that could not be used, and sources that could not be read."""
    flagged = library.page(services.database, library.LibraryFilters(status="flag"), limit=MOST_FAILURES)
    failed = [source for source in sources.list_all(services.database) if str(source.state) == "failed"]
    return {
        "recordings": [recording_json(entry.recording) for entry in flagged.entries],
        "sources": [
            {"id": str(one.id), "address": one.address, "title": one.title, "explanation": one.explain()}
            for one in failed[:MOST_FAILURES]
        ],
    }


def quotas(services: Services) -> list[dict[str, object]]:
    """Return what services give for a day, and how much of it is spent."""
    today = quota.today(services.database, quota.YOUTUBE, services.settings.youtube_daily_units)
    return [
        {
            "service": "YouTube Data API",
            "units": today.units,
            "limit": today.unit_limit,
            "is_exhausted": today.is_exhausted,
            "resets_at": today.resets_at.isoformat(),
        }
    ]


def dead_letters() -> list[dict[str, object]]:
    """Return the messages that failed too often; they stay where they are. Raises UnavailableError."""
    return [
        {
            "message_id": letter.message_id,
            "event_id": letter.event_id,
            "event_type": letter.event_type,
            "subscription": letter.source_subscription.rpartition("/")[2],
            "attempts": letter.attempts,
            "published": letter.published,
            "data": letter.data.decode("utf-8", "replace")[:_SHOWN_CHARACTERS],
        }
        for letter in list_dead_letters(DEAD_LETTERS_HOLD, MOST_LETTERS)
    ]
