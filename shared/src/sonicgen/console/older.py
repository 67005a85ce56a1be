"""Routes of an older service that clients still know, in the corrected form; `POST /api/v1/identify` is in find.py."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from sonicgen import __version__
from sonicgen.console.access import Viewer
from sonicgen.steps.services import services
from sonicgen.steps.system_overview import stats
from sonicgen.store import recordings

router = APIRouter(tags=["older"], include_in_schema=False)


@router.get("/api/v1/test")
def test() -> dict[str, Any]:
    """Whether it works, and what it can do."""
    recordings.counts_by_status(services().database)
    can_download = services().settings.downloads_enabled
    return {"status": "ok", "version": __version__, "features": {"audio": True, "url_download": can_download}}


@router.get("/api/v1/stats")
def show_stats(caller: Viewer) -> dict[str, Any]:
    """How much the index holds; the totals are kept up to date, so that nothing is walked through."""
    held = stats(services())
    return {"audio_db": {"episodes": held["originals"], "seconds": held["indexed_seconds"], "lazy_load_mode": False}}
