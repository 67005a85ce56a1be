"""What transcription cost, and what it did not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from sonicgen.console.access import Viewer
from sonicgen.steps.services import services
from sonicgen.store.costs import Grouping, totals

router = APIRouter(tags=["costs"])
_FIRST_DAY = date(2000, 1, 1)


@router.get("/v1/costs")
def show_costs(
    caller: Viewer,
    by: Grouping = "day",
    since: Annotated[date | None, Query(description="The first day (UTC).")] = None,
    until: Annotated[date | None, Query(description="The last day (UTC).")] = None,
) -> dict[str, Any]:
    """The books, one line for each day, channel or recording, and currency; money as text."""
    last = until or datetime.now(UTC).date()
    lines = totals(services().database, by, since or _FIRST_DAY, last)
    return {"by": by, "costs": [line.to_json() for line in lines]}
