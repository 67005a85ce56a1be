"""Ask again for downloads: those whose time has come, those that got lost, and those that a person names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sonicgen.cloud.bus import publish_events
from sonicgen.domain.download import DownloadReason, DownloadState
from sonicgen.steps.services import Services
from sonicgen.steps.video_download import discovery
from sonicgen.store import downloads

TOPIC = "video-discovered"
BATCH = 500
# What one run asks for at most; were the clocks of the worker and the database far apart, it would never end otherwise.
_MOST_BATCHES = 100
# Beyond a job's longest time, its starts and the bus's own tries.
_LOST_AFTER = timedelta(hours=2)
_FAILED = (DownloadState.FAILED, DownloadState.SKIPPED)


def retry_due_downloads(services: Services, now: datetime | None = None) -> int:
    """Queue every download whose next attempt is due, and those whose event or worker got lost; return how many.

    Safe to run at any time and twice at once. Killed between its write and its publish, it leaves downloads queued,
    which a later run finds as lost. Does nothing while downloads are switched off.
    """
    if not services.settings.downloads_enabled:
        return 0
    at = now or datetime.now(UTC)
    lost_before = at - timedelta(seconds=services.settings.download_job_seconds) - _LOST_AFTER
    count = 0
    for _ in range(_MOST_BATCHES):
        taken = downloads.take_due(services.database, at, lost_before, BATCH)
        _publish(taken)
        count += len(taken)
        if len(taken) < BATCH:
            break
    return count


def retry_failed_downloads(
    services: Services, reason: DownloadReason | None = None, *, also_waiting: bool = False
) -> int:
    """Queue every download that failed or was left out, all or those with one reason; return how many.

    With `also_waiting` those too that would be tried again by themselves. Whom a site's pause concerns waits for its
    end nevertheless.
    """
    states = (*_FAILED, DownloadState.WAITING) if also_waiting else _FAILED
    count = 0
    while taken := downloads.take_failed(services.database, states, reason, BATCH):
        _publish(taken)
        count += len(taken)
    return count


def _publish(taken: Sequence[downloads.Queued]) -> None:
    if taken:
        publish_events(TOPIC, [discovery(queued) for queued in taken])
