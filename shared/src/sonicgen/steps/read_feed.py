"""Read a podcast feed, or a single link, into a source's items."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from sonicgen.domain.filters import Candidate
from sonicgen.domain.source import EXPLANATIONS, SourceReason, linked_video_id, youtube_video_id
from sonicgen.errors import SourceError
from sonicgen.services.feeds import Entry, Feed, fetch_feed
from sonicgen.steps.reading import Reading
from sonicgen.store.items import BATCH, Publisher

_BEGINNING = datetime.min.replace(tzinfo=UTC)


def read_feed(reading: Reading) -> Feed | None:
    """Read a feed and return it, None when it has not changed since it was read.

    Raises SourceError, UnavailableError, SupersededError.
    """
    source = reading.source
    seen = source.last_seen if source.is_read else {}
    feed = fetch_feed(
        source.address,
        etag=seen.get("etag"),
        last_modified=seen.get("last_modified"),
        guard=reading.services.guard,
    )
    if feed is None:
        return None
    if feed.listed and not feed.entries:
        reason = SourceReason.NO_ENCLOSURES
        raise SourceError(reason, EXPLANATIONS[reason])
    publisher = Publisher(f"feed:{source.id}", feed.title or source.address)
    reading.identify(publisher, publisher.title)
    keep_entries(reading, feed.entries, publisher)
    return feed


def keep_entries(reading: Reading, entries: tuple[Entry, ...], publisher: Publisher) -> None:
    """Keep those entries that the source has not brought before, newest first."""
    newest_first = sorted(entries, key=lambda entry: entry.published_at or _BEGINNING, reverse=True)
    for start in range(0, len(newest_first), BATCH):
        chunk = newest_first[start : start + BATCH]
        known = reading.known([entry.item for entry in chunk])
        fresh = [candidate_of(entry) for entry in chunk if entry.item not in known]
        judged = reading.judge(fresh, is_ordered=True, channels=dict.fromkeys((c.item for c in fresh), publisher.id))
        is_full = reading.is_full(judged, is_ordered=True)
        taken = [v.candidate.published_at for v in judged if v.filtered_by is None and v.candidate.published_at]
        is_last = start + BATCH >= len(newest_first)
        reading.keep(
            judged,
            # No page to go on with, but the sign that the counts are this reading's.
            page_token=None if is_last else str(start + BATCH),
            oldest_taken_at=min(taken, default=None) if is_full and taken else None,
        )


def read_link(reading: Reading) -> None:
    """Read a link to one recording; what it is, the download finds out."""
    url = reading.source.address
    name = unquote(PurePosixPath(urlsplit(url).path).name)
    title = name or urlsplit(url).netloc
    candidate = Candidate(item=url, video_id=linked_video_id(url), url=url, title=title)
    reading.keep(reading.judge([candidate], is_ordered=False, channels={}))
    reading.identify(None, title)


def candidate_of(entry: Entry) -> Candidate:
    """Return an entry as the filters look at it."""
    youtube = entry.youtube_id
    return Candidate(
        item=entry.item,
        video_id=youtube_video_id(youtube) if youtube else linked_video_id(entry.url),
        url=entry.url,
        title=entry.title,
        youtube_id=youtube,
        description=entry.description,
        published_at=entry.published_at,
        duration_seconds=entry.duration_seconds,
    )
