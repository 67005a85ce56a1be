"""How far the backfills are, as the command and the API tell it."""

from __future__ import annotations

from sonicgen.sound.versions import current_version
from sonicgen.steps.services import Services
from sonicgen.store import backfills, postings


def describe_backfills(services: Services) -> dict[str, object]:
    """Return the documented form (docs/backfill.md): the latest backfills, with what failed in them and why."""
    counts = postings.counts_by_version(services.database)
    return {
        "backfills": [
            {
                **one.to_json(),
                "failures": [
                    {"address": failure.address, "outcome": failure.outcome, "detail": failure.detail}
                    for failure in (backfills.failures(services.database, one.id) if one.failed else [])
                ],
            }
            for one in backfills.newest(services.database)
        ],
        "versions": {"current": current_version(), "in_index": {str(version): n for version, n in counts.items()}},
    }
