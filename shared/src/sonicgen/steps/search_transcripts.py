"""Find sentences: which line of which recording, and the second to jump to."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sonicgen.errors import InputError
from sonicgen.speech.names import display_name
from sonicgen.speech.passages import Passage, find_passage
from sonicgen.steps.services import Services
from sonicgen.store import recordings, search
from sonicgen.store.search import Cursor, Filters, Hit


@dataclass(frozen=True, slots=True)
class Sentence:
    """A line that fits, and the passage of it that does."""

    hit: Hit
    passage: Passage

    def to_json(self) -> dict[str, object]:
        """Return the documented form (docs/api.md)."""
        hit, line = self.hit, self.hit.utterance
        return {
            "video_id": str(hit.video_id),
            "title": hit.title,
            "channel_id": hit.channel_id,
            "channel_title": hit.channel_title,
            "date": hit.happened_at.isoformat(),
            "position": hit.position,
            "seconds": round(self.passage.seconds, 3),
            "start_seconds": round(line.start_seconds, 3),
            "end_seconds": round(line.end_seconds, 3),
            "speaker": line.speaker,
            "speaker_name": line.speaker_name,
            "snippet": self.passage.snippet,
            "highlights": [list(span) for span in self.passage.highlights],
            "rank": round(hit.rank, 4),
        }

    @property
    def speaker(self) -> str | None:
        """What the speaker is called in front of people."""
        return display_name(self.hit.utterance)


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """What a search found; fields as in `sonicgen.store.search.HitPage`."""

    query: str
    sentences: list[Sentence]
    matches: int
    is_complete: bool
    next_cursor: str | None
    elapsed_ms: float

    def to_json(self) -> dict[str, object]:
        """Return the documented form (docs/api.md)."""
        return {
            "query": self.query,
            "hits": [sentence.to_json() for sentence in self.sentences],
            "matches": self.matches,
            "is_complete": self.is_complete,
            "next": self.next_cursor,
            "elapsed_ms": round(self.elapsed_ms, 1),
        }


def search_transcripts(
    services: Services,
    query: str,
    filters: Filters,
    *,
    limit: int = 20,
    cursor: str | None = None,
    is_patient: bool = False,
) -> SearchAnswer:
    """Return one page of sentences, best first.

    A page may be short and have a successor all the same (see `sonicgen.store.search.search`); with `is_patient` those
    are joined until `limit` sentences are found or there are no more. Raises InputError for a query or cursor that
    cannot be.
    """
    started = time.perf_counter()
    page = search.search(services.database, query, filters, limit=limit, cursor=read_search_cursor(cursor))
    hits, matches, following = list(page.hits), page.matches, page.next_cursor
    while is_patient and following is not None and len(hits) < limit:
        more = search.search(services.database, query, filters, limit=limit - len(hits), cursor=following)
        matches += more.matches  # the page was short: this is another window
        hits, following = hits + more.hits, more.next_cursor
    return SearchAnswer(
        query=query,
        sentences=[Sentence(hit, _passage(hit)) for hit in hits],
        matches=matches,
        is_complete=page.is_complete,
        next_cursor=write_search_cursor(following),
        elapsed_ms=(time.perf_counter() - started) * 1000,
    )


def read_day(text: str) -> datetime:
    """Return the moment that a person names: a day (its beginning, UTC) or a time in ISO 8601.

    Raises InputError.
    """
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text.strip())
    except ValueError:
        raise InputError(f"{text!r} is not a date such as 2026-03-31.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def write_search_cursor(cursor: Cursor | None) -> str | None:
    """Return a page's end as text for a URL."""
    if cursor is None:
        return None
    head = f"{cursor.window}_{cursor.ceiling}"
    if cursor.last is None:
        return head
    rank, moment, identifier = cursor.last
    return f"{head}_{rank!r}_{moment.astimezone(UTC).replace(tzinfo=None).isoformat()}_{identifier}"


def read_search_cursor(text: str | None) -> Cursor | None:
    """Return what `write_search_cursor` wrote.

    Raises InputError for anything else.
    """
    if text is None:
        return None
    parts = text.split("_")
    try:
        window, ceiling = (_whole(part) for part in parts[:2])
        if len(parts) == 2:
            return Cursor(window, ceiling)
        rank, moment, identifier = parts[2:]
        last = float(rank), datetime.fromisoformat(moment).replace(tzinfo=UTC), _whole(identifier)
        return Cursor(window, ceiling, last)
    except ValueError as error:
        raise InputError("The cursor is none that a page of ours ended with.") from error


def recording_filter(services: Services, identifier: str | None) -> UUID | None:
    """Return the id of the recording that a person means; raises NotFoundError or InputError."""
    return None if identifier is None else recordings.get_by_prefix(services.database, identifier).id


def _whole(text: str) -> int:
    number = int(text)
    if not 0 <= number < 1 << 62:
        raise ValueError(text)
    return number


def _passage(hit: Hit) -> Passage:
    return find_passage(hit.utterance, hit.marked, search.MARK_START, search.MARK_STOP)
