"""Search in everything that was said."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from sonicgen.console.access import Viewer
from sonicgen.steps.search_transcripts import read_day, search_transcripts
from sonicgen.steps.services import services
from sonicgen.store import recordings
from sonicgen.store.search import Filters

router = APIRouter(tags=["search"])


@router.get("/v1/search")
def search(
    caller: Viewer,
    q: str,
    speaker: str | None = None,
    channel: str | None = None,
    after: str | None = None,
    before: str | None = None,
    recording: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
    cursor: str | None = None,
) -> dict[str, object]:
    """Sentences that fit, best first; `next` is the cursor of the following page, null on the last."""
    filters = Filters(
        speaker=speaker,
        channel=channel,
        after=None if after is None else read_day(after),
        before=None if before is None else read_day(before),
        video_id=None if recording is None else recordings.get(services().database, recording).id,
    )
    return search_transcripts(services(), q, filters, limit=limit, cursor=cursor).to_json()
