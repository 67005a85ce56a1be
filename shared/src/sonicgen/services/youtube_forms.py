"""What the YouTube Data API answers, read into our own forms; every field of theirs may be missing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from typing import Any

_DURATION = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_UNIT_SECONDS = (604_800, 86_400, 3_600, 60, 1)

# Videos that are taller than wide, or square, are Shorts up to a minute; from that day on up to three.
# https://support.google.com/youtube/answer/15424877
LONGEST_SHORT_SECONDS = 180.0
LONGEST_OLD_SHORT_SECONDS = 60.0
_LONGER_SHORTS_SINCE = datetime(2024, 10, 15, tzinfo=UTC)

_TAG = re.compile(r"<[^>]+>")
_MESSAGE_CHARACTERS = 300
# What a playlist shows in place of a video that nobody may see.
_UNSEEN_TITLES = frozenset({"Private video", "Deleted video"})
_UNSEEN_STATUSES = frozenset({"private", "privacyStatusUnspecified"})


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel; `uploads_playlist_id` lists all its public videos, newest first."""

    id: str
    title: str
    handle: str | None
    uploads_playlist_id: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A video as a playlist lists it: without its length."""

    youtube_id: str
    title: str
    description: str | None
    published_at: datetime | None
    is_available: bool


@dataclass(frozen=True, slots=True)
class ListedPage:
    """Up to 50 videos of a playlist; `next_page_token` is None on the last page, `total` what the playlist says."""

    videos: tuple[Listed, ...]
    next_page_token: str | None
    total: int


@dataclass(frozen=True, slots=True)
class VideoDetails:
    """A video; `duration_seconds` is None while it is live or not yet begun, `is_short` when nothing tells.

    `live` is "none", "live", "upcoming" or "was_live" (a premiere counts as one that was live: the API does not tell
    them apart).
    """

    youtube_id: str
    title: str
    description: str | None
    published_at: datetime | None
    duration_seconds: float | None
    channel_id: str | None
    channel_title: str | None
    live: str
    is_short: bool | None


def read_channel(item: Mapping[str, Any]) -> Channel:
    """Return a channel of `channels.list`."""
    snippet = item.get("snippet") or {}
    playlists = (item.get("contentDetails") or {}).get("relatedPlaylists") or {}
    handle = str(snippet.get("customUrl") or "").removeprefix("@").casefold()
    return Channel(
        id=str(item["id"]),
        title=str(snippet.get("title") or item["id"]),
        handle=handle or None,
        uploads_playlist_id=playlists.get("uploads") or None,
    )


def read_page(answer: Mapping[str, Any]) -> ListedPage:
    """Return a page of `playlistItems.list`; entries that are no videos are left out."""
    listed = [_read_listed(item) for item in answer.get("items") or []]
    return ListedPage(
        videos=tuple(video for video in listed if video is not None),
        next_page_token=answer.get("nextPageToken") or None,
        total=int((answer.get("pageInfo") or {}).get("totalResults") or 0),
    )


def read_video(item: Mapping[str, Any]) -> VideoDetails:
    """Return a video of `videos.list`."""
    snippet, content = item.get("snippet") or {}, item.get("contentDetails") or {}
    live = str(snippet.get("liveBroadcastContent") or "none")
    if live == "none" and item.get("liveStreamingDetails"):
        live = "was_live"
    seconds = read_duration(str(content.get("duration") or ""))
    published = read_time(snippet.get("publishedAt"))
    return VideoDetails(
        youtube_id=str(item["id"]),
        title=str(snippet.get("title") or item["id"]),
        description=snippet.get("description") or None,
        published_at=published,
        duration_seconds=seconds,
        channel_id=snippet.get("channelId") or None,
        channel_title=snippet.get("channelTitle") or None,
        live=live,
        is_short=is_short(seconds, published, item.get("player") or {}) if live == "none" else False,
    )


def read_duration(text: str) -> float | None:
    """Return the seconds of an ISO 8601 duration such as PT1H2M3S; None for none and for nothing (P0D: it is live)."""
    found = _DURATION.fullmatch(text)
    if not found:
        return None
    seconds = sum(int(part or 0) * unit for part, unit in zip(found.groups(), _UNIT_SECONDS, strict=True))
    return float(seconds) or None


def read_time(text: object) -> datetime | None:
    """Return a time as the API writes it, None for anything else."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def is_short(seconds: float | None, published_at: datetime | None, player: Mapping[str, Any]) -> bool | None:
    """Return whether a video is a Short, by length and proportion; None when its length is not known.

    The API has no field for it, but tells the player's height and width when it is asked for a size. Without them what
    lasts a minute at most counts as a Short.
    """
    if seconds is None:
        return None
    old = published_at is not None and published_at < _LONGER_SHORTS_SINCE
    if seconds > (LONGEST_OLD_SHORT_SECONDS if old else LONGEST_SHORT_SECONDS):
        return False
    try:
        height, width = int(player["embedHeight"]), int(player["embedWidth"])
    except (KeyError, TypeError, ValueError):
        return seconds <= LONGEST_OLD_SHORT_SECONDS
    return height >= width


def problem_of(content: bytes) -> tuple[frozenset[str], str]:
    """Return an error's reason codes and its message, whatever form they come in."""
    try:
        error = json.loads(content)["error"]
        parts = [*(error.get("errors") or []), *(error.get("details") or [])]
        codes = frozenset(str(part["reason"]) for part in parts if part.get("reason"))
        message = _TAG.sub("", unescape(str(error.get("message") or "")))
    except (ValueError, KeyError, TypeError, AttributeError):
        return frozenset(), ""
    return codes, " ".join(message.split())[:_MESSAGE_CHARACTERS]


def _read_listed(item: Mapping[str, Any]) -> Listed | None:
    snippet, content = item.get("snippet") or {}, item.get("contentDetails") or {}
    youtube_id = content.get("videoId") or (snippet.get("resourceId") or {}).get("videoId")
    if not youtube_id:
        return None
    title = str(snippet.get("title") or youtube_id)
    published = read_time(content.get("videoPublishedAt"))
    privacy = (item.get("status") or {}).get("privacyStatus")
    return Listed(
        youtube_id=str(youtube_id),
        title=title,
        description=snippet.get("description") or None,
        published_at=published,
        is_available=privacy not in _UNSEEN_STATUSES and not (published is None and title in _UNSEEN_TITLES),
    )
