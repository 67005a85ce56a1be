"""What the system holds and does at this moment."""

from __future__ import annotations

import json
from pathlib import Path

from sonicgen.steps.representation import recording_json
from sonicgen.steps.services import Services
from sonicgen.store import postings, recordings

RECENT_RECORDINGS = 40
# Where the embedded bus leaves its queues' lengths, inside the data folder.
QUEUES_FILE = Path("run", "queues.json")


def system_status(services: Services) -> dict[str, object]:
    """Return counts by state, seconds in the index, the latest recordings and the queues, ready for JSON."""
    database = services.database
    page = recordings.list_page(database, limit=RECENT_RECORDINGS)
    originals = {r.original_video_id for r in page.recordings if r.original_video_id}
    titles = {original: recordings.get(database, original).title for original in originals}
    return {
        "counts": {str(status or "waiting"): count for status, count in recordings.counts_by_status(database).items()},
        "indexed_seconds": round(postings.indexed_seconds(database), 1),
        "recordings": [
            {
                **recording_json(recording),
                "original_title": titles.get(recording.original_video_id) if recording.original_video_id else None,
            }
            for recording in page.recordings
        ],
        "queues": _queues(services),
        "inbox": str(services.settings.data_dir.absolute() / "inbox") if services.settings.is_embedded else None,
    }


def _queues(services: Services) -> list[dict[str, object]]:
    if not services.settings.is_embedded:
        return []  # Cloud Monitoring has them there
    try:
        queues: list[dict[str, object]] = json.loads((services.settings.data_dir / QUEUES_FILE).read_text())
    except (OSError, ValueError):
        return []
    return queues
