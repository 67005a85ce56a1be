"""A source: what recordings are read from. Its kinds, its states, and the ids of what it brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

from sonicgen.domain.filters import Filters
from sonicgen.domain.recording import RECORDING_NAMESPACE


class SourceKind(StrEnum):
    """What a source is."""

    CHANNEL = "channel"
    PLAYLIST = "playlist"
    VIDEO = "video"
    FEED = "feed"
    LINK = "link"


class SourceState(StrEnum):
    """Where a source stands."""

    ACTIVE = "active"  # being read, or watched
    DONE = "done"
    PAUSED_QUOTA = "paused_quota"  # goes on by itself when the day's units are given anew
    FAILED = "failed"


class SourceReason(StrEnum):
    """Why a source is in its state, as a stable code; `EXPLANATIONS` has the sentences for people."""

    READING = "reading"
    WATCHED = "watched"
    READ = "read"
    EMPTY = "empty"
    STOPPED = "stopped"
    SAME_AS = "same_as"
    QUOTA = "quota"
    UNKNOWN_CHANNEL = "unknown_channel"
    UNKNOWN_PLAYLIST = "unknown_playlist"
    UNKNOWN_VIDEO = "unknown_video"
    NOT_ALLOWED = "not_allowed"
    NO_KEY = "no_key"
    BAD_KEY = "bad_key"
    NOT_A_FEED = "not_a_feed"
    NO_ENCLOSURES = "no_enclosures"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    TOO_LARGE = "too_large"
    UNAVAILABLE = "unavailable"
    BAD_REQUEST = "bad_request"


EXPLANATIONS: dict[SourceReason, str] = {
    SourceReason.READING: "It is being read.",
    SourceReason.WATCHED: "It was read, and is watched for what is new.",
    SourceReason.READ: "It was read to its end.",
    SourceReason.EMPTY: "It was read and holds nothing (yet).",
    SourceReason.STOPPED: "Somebody stopped it; `sonicgen ingest` starts it again.",
    SourceReason.SAME_AS: "It is a known channel under another name, and is read there.",
    SourceReason.QUOTA: "The day's units of the YouTube Data API are spent; it goes on after midnight Pacific time.",
    SourceReason.UNKNOWN_CHANNEL: "YouTube knows no such channel; check the handle below the channel's name.",
    SourceReason.UNKNOWN_PLAYLIST: "YouTube shows no such playlist: it is private or gone; make it public or unlisted.",
    SourceReason.UNKNOWN_VIDEO: "YouTube shows no such video: it is private or gone.",
    SourceReason.NOT_ALLOWED: "YouTube does not let this key read it: it is private or closed to the API.",
    SourceReason.NO_KEY: (
        "YOUTUBE_API_KEY is not set. Make a key (https://console.cloud.google.com/apis/credentials, with the "
        "YouTube Data API v3 enabled), put it into .env and ask again."
    ),
    SourceReason.BAD_KEY: (
        "YouTube refuses the key in YOUTUBE_API_KEY; check it, and that the YouTube Data API v3 is enabled for it "
        "(https://console.cloud.google.com/apis/credentials)."
    ),
    SourceReason.NOT_A_FEED: "What lies at this address is no RSS or Atom feed; give the feed's own address.",
    SourceReason.NO_ENCLOSURES: "The feed has entries, but none with a recording; give the podcast's feed.",
    SourceReason.NOT_FOUND: "The server has nothing at this address; check it.",
    SourceReason.REFUSED: "The address may not be fetched.",
    SourceReason.TOO_LARGE: "What lies at this address is too large for a feed.",
    SourceReason.UNAVAILABLE: "It could not be reached, ten times in a row; ask again later.",
    SourceReason.BAD_REQUEST: "The request cannot work as given.",
}


@dataclass(frozen=True, slots=True)
class Source:
    """One source as Postgres keeps it (migration 0006 describes the columns)."""

    id: UUID
    kind: SourceKind
    address: str
    state: SourceState = SourceState.ACTIVE
    reason: SourceReason | None = None
    reason_detail: str | None = None
    filters: Filters = field(default_factory=Filters)
    same_as: UUID | None = None
    channel_id: str | None = None
    title: str | None = None
    uploads_playlist_id: str | None = None
    read_number: int = 0
    read_started_at: datetime | None = None
    page_token: str | None = None
    previous_page_token: str | None = None
    is_read: bool = False
    oldest_taken_at: datetime | None = None
    last_seen: Mapping[str, str] = field(default_factory=dict)
    discovered: int = 0
    taken: int = 0
    filtered: int = 0
    pages: int = 0
    units: int = 0
    is_watched: bool = False
    poll_every_seconds: int = 3600
    next_poll_at: datetime | None = None
    websub_hub: str | None = None
    websub_topic: str | None = None
    websub_secret: str | None = field(default=None, repr=False)
    websub_state: str | None = None
    websub_lease_expires_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def explain(self) -> str:
        """Return one sentence that tells a person why the source is in its state."""
        sentence = "Waiting for its turn." if self.reason is None else EXPLANATIONS[self.reason]
        return f"{sentence} {self.reason_detail}" if self.reason_detail else sentence


def source_id(kind: SourceKind, address: str) -> UUID:
    """Return the id of the source with this canonical address."""
    return uuid5(RECORDING_NAMESPACE, f"source:{kind}:{address}")


def youtube_video_id(youtube_id: str) -> UUID:
    """Return the recording id of a YouTube video, whatever source it is found in."""
    return uuid5(RECORDING_NAMESPACE, f"youtube:{youtube_id}")


def linked_video_id(url: str) -> UUID:
    """Return the recording id of what lies at a canonical URL (`sonicgen.domain.address.canonical_url`)."""
    return uuid5(RECORDING_NAMESPACE, url)
