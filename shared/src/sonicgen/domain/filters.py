"""What of a source is wanted: the filters of an ingest, and their verdict on one video."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Self
from uuid import UUID

from sonicgen.errors import InputError

_AMERICAN_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_PATTERN_CHARACTERS = 500
# A pattern that backtracks takes exponential time in the text's length; no title on YouTube has more than 100.
_TITLE_CHARACTERS = 300


class FilteredBy(StrEnum):
    """Which filter left a video out."""

    PUBLISHED_AFTER = "published_after"
    PUBLISHED_BEFORE = "published_before"
    TITLE_WORDS = "title_words"
    TITLE_PATTERN = "title_pattern"
    MIN_DURATION = "min_duration"
    MAX_DURATION = "max_duration"
    SHORTS = "shorts"
    LIVE = "live"
    MAX_VIDEOS = "max_videos"
    UNAVAILABLE = "unavailable"  # deleted or private: the source lists it, nobody can see it


@dataclass(frozen=True, slots=True)
class Filters:
    """What of a source is wanted. `published_after` is the first moment that is, `published_before` the first not."""

    published_after: datetime | None = None
    published_before: datetime | None = None
    max_videos: int | None = None
    title_words: tuple[str, ...] = ()
    title_pattern: str | None = None
    min_duration_seconds: float | None = None
    max_duration_seconds: float | None = None
    include_shorts: bool = True
    include_live: bool = True

    def __post_init__(self) -> None:
        after, before = self.published_after, self.published_before
        if after and before and after >= before:
            raise InputError("published_after is not before published_before, so that nothing could be taken.")
        low, high = self.min_duration_seconds, self.max_duration_seconds
        if low is not None and high is not None and low > high:
            raise InputError("min_duration_seconds is above max_duration_seconds, so that nothing could be taken.")
        if self.max_videos is not None and self.max_videos < 1:
            raise InputError("max_videos must be 1 or more; leave it out to take all.")
        if self.title_pattern is not None:
            _compiled(self.title_pattern)

    def to_json(self) -> dict[str, Any]:
        """Return the filters as JSON has them, times in RFC 3339."""
        return {
            "published_after": _written(self.published_after),
            "published_before": _written(self.published_before),
            "max_videos": self.max_videos,
            "title_words": list(self.title_words),
            "title_pattern": self.title_pattern,
            "min_duration_seconds": self.min_duration_seconds,
            "max_duration_seconds": self.max_duration_seconds,
            "include_shorts": self.include_shorts,
            "include_live": self.include_live,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the filters of a mapping; other names in it are ignored. Raises InputError naming what is wrong."""
        given = {field.name: data[field.name] for field in fields(cls) if data.get(field.name) is not None}
        for name in given.keys() & _READERS.keys():
            given[name] = _READERS[name](given[name], name)
        return cls(**given)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A video that a source names; None is what the source did not say (yet).

    `item` is the source's own name for it. `live` is "none", "live", "upcoming" or "was_live".
    """

    item: str
    video_id: UUID
    url: str
    title: str
    youtube_id: str | None = None
    description: str | None = None
    published_at: datetime | None = None
    duration_seconds: float | None = None
    is_short: bool | None = None
    live: str | None = None
    is_available: bool = True


def filtered_by(candidate: Candidate, wanted: Filters) -> FilteredBy | None:
    """Return the filter that leaves a video out, None when it is wanted as far as is known of it."""
    if not candidate.is_available:
        return FilteredBy.UNAVAILABLE
    published, seconds = candidate.published_at, candidate.duration_seconds
    if published is not None and wanted.published_after is not None and published < wanted.published_after:
        return FilteredBy.PUBLISHED_AFTER
    if published is not None and wanted.published_before is not None and published >= wanted.published_before:
        return FilteredBy.PUBLISHED_BEFORE
    title = candidate.title[:_TITLE_CHARACTERS]
    if not all(_has_word(title, word) for word in wanted.title_words):
        return FilteredBy.TITLE_WORDS
    if wanted.title_pattern is not None and not _compiled(wanted.title_pattern).search(title):
        return FilteredBy.TITLE_PATTERN
    if seconds is not None and wanted.min_duration_seconds is not None and seconds < wanted.min_duration_seconds:
        return FilteredBy.MIN_DURATION
    if seconds is not None and wanted.max_duration_seconds is not None and seconds > wanted.max_duration_seconds:
        return FilteredBy.MAX_DURATION
    if candidate.is_short and not wanted.include_shorts:
        return FilteredBy.SHORTS
    if candidate.live not in (None, "none") and not wanted.include_live:
        return FilteredBy.LIVE
    return None


def read_moment(value: object, name: str = "date") -> datetime:
    """Return the moment of an ISO date or time or of MM/DD/YYYY; UTC unless it says else. Raises InputError."""
    text = str(value).strip()
    american = _AMERICAN_DATE.fullmatch(text)
    try:
        if american:
            month, day, year = map(int, american.groups())
            return datetime(year, month, day, tzinfo=UTC)
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"The {name} {text!r} is no date; write YYYY-MM-DD, MM/DD/YYYY or an ISO time.") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _has_word(title: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word.casefold())}(?!\w)", title.casefold()) is not None


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    if len(pattern) > _PATTERN_CHARACTERS:
        raise InputError(f"The title_pattern has more than {_PATTERN_CHARACTERS} characters; make it shorter.")
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise InputError(f"The title_pattern {pattern!r} is no regular expression: {error}.") from error


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _read_count(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"The {name} {value!r} is no whole number.")
    return value


def _read_seconds(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise InputError(f"The {name} {value!r} is no number of seconds.")
    return float(value)


def _read_words(value: object, name: str) -> tuple[str, ...]:
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise InputError(f"The {name} must be a list of words.")
    return tuple(word.strip() for word in words if word.strip())


def _read_flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"The {name} {value!r} is neither true nor false.")
    return value


def _read_text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"The {name} {value!r} is no text.")
    return value


_READERS: dict[str, Callable[[object, str], Any]] = {
    "published_after": read_moment,
    "published_before": read_moment,
    "max_videos": _read_count,
    "title_words": _read_words,
    "title_pattern": _read_text,
    "min_duration_seconds": _read_seconds,
    "max_duration_seconds": _read_seconds,
    "include_shorts": _read_flag,
    "include_live": _read_flag,
}
