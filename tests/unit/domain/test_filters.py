"""Which videos of a source are wanted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from sonicgen.domain.filters import Candidate, FilteredBy, Filters, filtered_by, read_moment
from sonicgen.errors import InputError


def video(**known: Any) -> Candidate:
    return Candidate(item="a", video_id=UUID(int=1), url="https://example.org/a", **({"title": "Rain, part 2"} | known))


def moment(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2024-02-29", moment(2024, 2, 29)),
        ("02/29/2024", moment(2024, 2, 29)),
        ("2/9/2024", moment(2024, 2, 9)),
        ("2024-02-29T12:30:00Z", moment(2024, 2, 29, 12, 30)),
        ("2024-02-29T12:30:00+02:00", moment(2024, 2, 29, 10, 30)),
        ("2024-02-29T12:30", moment(2024, 2, 29, 12, 30)),
        (" 2024-02-29 ", moment(2024, 2, 29)),
    ],
)
def test_dates_are_utc(text: str, read: datetime) -> None:
    assert read_moment(text) == read
    assert read_moment(text).utcoffset() == moment(2000, 1, 1).utcoffset()


@pytest.mark.parametrize("text", ["", "29/02/2024", "02/30/2024", "2024-02-30", "last week", "20240", "1/1/24"])
def test_what_is_no_date_is_told(text: str) -> None:
    with pytest.raises(InputError, match="YYYY-MM-DD, MM/DD/YYYY"):
        read_moment(text)


@pytest.mark.parametrize(
    ("filters", "known", "verdict"),
    [
        ({}, {}, None),
        ({"published_after": "2024-01-02"}, {"published_at": moment(2024, 1, 2)}, None),
        ({"published_after": "2024-01-02"}, {"published_at": moment(2024, 1, 1, 23, 59, 59)}, "published_after"),
        ({"published_before": "2024-01-02"}, {"published_at": moment(2024, 1, 1, 23, 59, 59)}, None),
        ({"published_before": "01/02/2024"}, {"published_at": moment(2024, 1, 2)}, "published_before"),
        ({"published_after": "2024-01-02"}, {}, None),
        ({"title_words": ["RAIN"]}, {}, None),
        ({"title_words": "rain part"}, {}, None),
        ({"title_words": ["rain", "snow"]}, {}, "title_words"),
        ({"title_words": ["rai"]}, {}, "title_words"),
        ({"title_words": ["c++"]}, {"title": "Learn C++ now"}, None),
        ({"title_words": ["straße"]}, {"title": "Die STRASSE"}, None),
        ({"title_pattern": r"part \d+$"}, {}, None),
        ({"title_pattern": r"^part"}, {}, "title_pattern"),
        ({"min_duration_seconds": 60}, {"duration_seconds": 60}, None),
        ({"min_duration_seconds": 60}, {"duration_seconds": 59.9}, "min_duration"),
        ({"max_duration_seconds": 60}, {"duration_seconds": 60}, None),
        ({"max_duration_seconds": 60}, {"duration_seconds": 61}, "max_duration"),
        ({"min_duration_seconds": 60}, {}, None),
        ({"include_shorts": False}, {"is_short": True}, "shorts"),
        ({"include_shorts": False}, {"is_short": False}, None),
        ({"include_shorts": False}, {}, None),
        ({"include_live": False}, {"live": "was_live"}, "live"),
        ({"include_live": False}, {"live": "upcoming"}, "live"),
        ({"include_live": False}, {"live": "none"}, None),
        ({}, {"is_available": False}, "unavailable"),
    ],
)
def test_the_verdict_on_a_video(filters: dict[str, Any], known: dict[str, Any], verdict: str | None) -> None:
    assert filtered_by(video(**known), Filters.from_json(filters)) == (FilteredBy(verdict) if verdict else None)


def test_filters_make_the_whole_trip() -> None:
    given = {
        "published_after": "01/02/2023", "published_before": "2024-01-01T00:00:00+01:00", "max_videos": 5,
        "title_words": ["a", " b "], "title_pattern": "x|y", "min_duration_seconds": 1, "max_duration_seconds": 2.5,
        "include_shorts": False, "include_live": False, "something": "else",
    }  # fmt: skip
    filters = Filters.from_json(given)
    assert filters.title_words == ("a", "b")
    written = json.loads(json.dumps(filters.to_json()))
    assert written["published_after"] == "2023-01-02T00:00:00Z"
    assert written["published_before"] == "2023-12-31T23:00:00Z"
    assert Filters.from_json(written) == filters
    assert Filters.from_json(Filters().to_json()) == Filters()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"published_after": "2024-01-02", "published_before": "2024-01-02"}, "nothing could be taken"),
        ({"min_duration_seconds": 2, "max_duration_seconds": 1}, "nothing could be taken"),
        ({"max_videos": 0}, "1 or more"),
        ({"max_videos": "5"}, "whole number"),
        ({"max_videos": True}, "whole number"),
        ({"title_pattern": "("}, "no regular expression"),
        ({"title_pattern": "x" * 501}, "500"),
        ({"title_pattern": 5}, "no text"),
        ({"title_words": 5}, "list of words"),
        ({"title_words": [5]}, "list of words"),
        ({"min_duration_seconds": "1"}, "number of seconds"),
        ({"max_duration_seconds": -1}, "number of seconds"),
        ({"max_duration_seconds": float("nan")}, "number of seconds"),
        ({"include_shorts": "no"}, "neither true nor false"),
    ],
)
def test_what_is_wrong_is_told(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Filters.from_json(given)
