"""Podcast feeds, RSS and Atom: fetched behind the guard, only when they changed, read into entries with a recording."""

from __future__ import annotations

import calendar
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import feedparser

from sonicgen.domain.address import canonical_url
from sonicgen.domain.source import EXPLANATIONS, SourceReason
from sonicgen.errors import ForbiddenAddressError, InputError, SourceError, TooLargeError, UnavailableError
from sonicgen.services.fetch import fetch
from sonicgen.services.guard import Guard

# 10,000 entries are about 3 to 10 MB and take feedparser 5 s; at this limit it is a minute.
MAXIMUM_BYTES = 32 * 2**20
TIMEOUT_SECONDS = 60.0

_ACCEPT = "application/rss+xml, application/atom+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.5"
_MEDIA_TYPE = re.compile(r"(?:audio|video)/|application/ogg", re.IGNORECASE)
_VAGUE_TYPE = re.compile(r"(?:application|binary)/octet-stream|", re.IGNORECASE)
_MEDIA_NAME = re.compile(r"\.(?:mp3|m4a|m4b|mp4|aac|ogg|oga|opus|flac|wav|webm|mkv|mov|wma)$", re.IGNORECASE)
_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d{1,4}):)?(\d+(?:\.\d+)?)")
_TAG = re.compile(r"<[^>]*>")
_TITLE_CHARACTERS = 500
_DESCRIPTION_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry with a recording; `item` is the feed's own name for it. `youtube_id` only in YouTube's own feeds."""

    item: str
    url: str
    title: str
    description: str | None = None
    published_at: datetime | None = None
    duration_seconds: float | None = None
    youtube_id: str | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed as it was read: its entries in its own order, `listed` with those that hold no recording.

    `hub` and `topic` are where its publisher pushes from, None when it does not; `etag` and `last_modified` are for the
    next `fetch_feed`.
    """

    title: str | None
    entries: tuple[Entry, ...]
    listed: int
    hub: str | None = None
    topic: str | None = None
    etag: str | None = None
    last_modified: str | None = None


def fetch_feed(
    url: str,
    *,
    etag: str | None = None,
    last_modified: str | None = None,
    guard: Guard | None = None,
    maximum_bytes: int = MAXIMUM_BYTES,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Feed | None:
    """Return the feed at an address, None when it has not changed since the answer with this etag or time.

    Raises SourceError when there is none or it may not be fetched, UnavailableError when the server does not answer.
    """
    headers = {"Accept": _ACCEPT}
    if etag:
        headers["If-None-Match"] = etag
    if last_modified:
        headers["If-Modified-Since"] = last_modified
    try:
        got = fetch(url, maximum_bytes=maximum_bytes, timeout_seconds=timeout_seconds, headers=headers, guard=guard)
    except ForbiddenAddressError as error:
        raise _refused(SourceReason.REFUSED, str(error)) from error
    except TooLargeError as error:
        raise _refused(SourceReason.TOO_LARGE, str(error)) from error
    except InputError as error:
        raise _refused(SourceReason.BAD_REQUEST, str(error)) from error
    host = urlsplit(got.url).hostname
    if got.status == 304:
        return None
    if got.status in (404, 410):
        raise _refused(SourceReason.NOT_FOUND, f"{host} answers {got.status}.")
    if got.status == 429 or got.status >= 500:
        raise UnavailableError(f"{host} answers {got.status}; try again later.")
    if got.status != 200:
        raise _refused(SourceReason.REFUSED, f"{host} answers {got.status}.")
    feed = read_feed(got.body, got.url, got.headers.get("content-type", ""))
    return Feed(
        title=feed.title,
        entries=feed.entries,
        listed=feed.listed,
        hub=feed.hub,
        topic=feed.topic,
        etag=got.headers.get("etag"),
        last_modified=got.headers.get("last-modified"),
    )


def read_feed(body: bytes, url: str, content_type: str = "") -> Feed:
    """Return the feed that bytes hold; raise SourceError when they hold none. `url` completes what it names in short.

    Damaged feeds are read as far as they go, as every podcast player does.
    """
    # A stream, never the bytes themselves: those would be tried as the name of a file first.
    # It is not told the feed's address: it would complete the entries' names with it, which must not change with it.
    headers = {"content-type": content_type} if content_type else {}
    parsed = feedparser.parse(io.BytesIO(body), response_headers=headers, sanitize_html=False)
    if not parsed.get("version") and not parsed.entries:
        raise _refused(SourceReason.NOT_A_FEED, None)
    links = {link.get("rel"): link.get("href") for link in reversed(parsed.feed.get("links") or [])}
    entries = tuple(entry for each in parsed.entries if (entry := _read_entry(each, url)) is not None)
    return Feed(
        title=_text(parsed.feed.get("title"), _TITLE_CHARACTERS),
        entries=entries,
        listed=len(parsed.entries),
        hub=urljoin(url, links["hub"]) if links.get("hub") else None,
        topic=urljoin(url, links["self"]) if links.get("self") else None,
    )


def read_clock(text: object) -> float | None:
    """Return the seconds of an `itunes:duration`: 3600, 60:00 or 1:00:00; None for anything else."""
    found = _CLOCK.fullmatch(str(text).strip())
    if not found:
        return None
    hours, minutes, seconds = found.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)


def _read_entry(entry: Mapping[str, Any], base: str) -> Entry | None:
    """Return an entry's recording, None when it has none that can be fetched."""
    youtube_id = entry.get("yt_videoid")
    found = (f"https://www.youtube.com/watch?v={youtube_id}", None) if youtube_id else _recording(entry, base)
    if found is None:
        return None
    url, seconds = found
    return Entry(
        item=str(youtube_id or entry.get("id") or url),
        url=url,
        title=_text(entry.get("title"), _TITLE_CHARACTERS) or url,
        description=_text(entry.get("summary"), _DESCRIPTION_CHARACTERS),
        published_at=_time(entry.get("published_parsed") or entry.get("updated_parsed")),
        duration_seconds=read_clock(entry.get("itunes_duration") or "") or seconds,
        youtube_id=youtube_id,
    )


def _recording(entry: Mapping[str, Any], base: str) -> tuple[str, float | None] | None:
    """Return the first recording among an entry's enclosures, and its seconds where it says so."""
    for part in [*(entry.get("enclosures") or []), *(entry.get("media_content") or [])]:
        kind = str(part.get("type") or "")
        try:
            address = urljoin(base, str(part.get("href") or part.get("url") or ""))
            named = _MEDIA_NAME.search(urlsplit(address).path)
            if _MEDIA_TYPE.match(kind) or (named and _VAGUE_TYPE.fullmatch(kind)):
                return canonical_url(address), read_clock(part.get("duration") or "")
        except (ValueError, InputError):  # an address that is none
            continue
    return None


def _text(value: object, most: int) -> str | None:
    if not value:
        return None
    return " ".join(_TAG.sub(" ", str(value)).split())[:most] or None


def _time(parsed: Any) -> datetime | None:
    if parsed is None:
        return None
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _refused(reason: SourceReason, detail: str | None) -> SourceError:
    return SourceError(reason, " ".join(filter(None, (EXPLANATIONS[reason], detail))), detail)
