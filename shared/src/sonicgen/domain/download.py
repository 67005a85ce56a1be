"""The download of a discovered video: its states, and the reasons it waits or fails."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class DownloadState(StrEnum):
    """Where a download stands."""

    QUEUED = "queued"
    RUNNING = "running"
    STORED = "stored"
    WAITING = "waiting"  # tried in vain; tried again at next_attempt_at
    FAILED = "failed"
    SKIPPED = "skipped"


class DownloadReason(StrEnum):
    """Why a download is in its state, as a stable code."""

    STORED = "stored"
    ALREADY_STORED = "already_stored"
    GONE = "gone"
    PRIVATE = "private"
    MEMBERS_ONLY = "members_only"
    AGE_RESTRICTED = "age_restricted"
    GEO_BLOCKED = "geo_blocked"
    LIVE = "live"
    NOT_YET_BEGUN = "not_yet_begun"
    BOT_CHECK = "bot_check"
    RATE_LIMITED = "rate_limited"
    NETWORK = "network"
    NO_AUDIO = "no_audio"
    TOO_LARGE = "too_large"
    TOO_LONG = "too_long"
    TIME_LIMIT = "time_limit"
    UNSUPPORTED = "unsupported"
    PRIVATE_ADDRESS = "private_address"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"


@dataclass(frozen=True, slots=True)
class Download:
    """One download as Postgres keeps it; `address_host` is whom a cool-down spares."""

    video_id: UUID
    url: str
    state: DownloadState
    address_host: str
    reason: DownloadReason | None = None
    reason_detail: str | None = None
    attempts: int = 0
    next_attempt_at: datetime | None = None
    bytes: int | None = None
    source_id: UUID | None = None
    object_name: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    updated_at: datetime | None = None
