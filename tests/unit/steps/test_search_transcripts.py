from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from sonicgen.errors import InputError, NotFoundError
from sonicgen.settings import read_settings
from sonicgen.steps.search_transcripts import (
    read_day,
    read_search_cursor,
    recording_filter,
    search_transcripts,
    write_search_cursor,
)
from sonicgen.steps.services import Services
from sonicgen.store import search
from sonicgen.store.search import Cursor, Filters
from tests.unit.steps.transcripts import line, tell

EVERY = Filters()


@pytest.fixture
def services(database_url: str) -> Iterator[Services]:
    made = Services(read_settings(database_url=database_url))
    yield made
    made.database.close()


def test_the_second_of_the_word(services: Services) -> None:
    talk = tell(services.database, [line("so we met Ada in the garden", 100.0, "A", "Grace Hopper")], title="talk.mp3")
    answer = search_transcripts(services, '"the gardens"', EVERY)
    (sentence,) = answer.sentences
    assert sentence.speaker == "Grace Hopper"
    told = answer.to_json()
    assert (told["matches"], told["is_complete"], told["next"]) == (1, True, None)
    hit = sentence.to_json()
    assert told["hits"] == [hit]
    assert isinstance(hit["rank"], float)
    assert hit["rank"] > 0
    del hit["rank"], hit["date"]
    assert hit == {
        "video_id": str(talk.id), "title": "talk.mp3", "channel_id": None, "channel_title": None, "position": 0,
        "seconds": 102.5, "start_seconds": 100.0, "end_seconds": 103.5, "speaker": "A", "speaker_name": "Grace Hopper",
        "snippet": "so we met Ada in the garden", "highlights": [[17, 20], [21, 27]],
    }  # fmt: skip


def test_pages_by_text_cursors(services: Services) -> None:
    tell(services.database, [line(f"snow {number}", number) for number in range(7)])
    found, cursor = [], None
    while True:
        answer = search_transcripts(services, "snow", EVERY, limit=3, cursor=cursor)
        found += [sentence.hit.position for sentence in answer.sentences]
        cursor = answer.next_cursor
        if cursor is None:
            break
    assert sorted(found) == list(range(7))
    assert len(found) == 7


def test_patience_joins_short_pages(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "WINDOW_MATCHES", 2)
    tell(services.database, [line(f"snow {number}", number) for number in range(7)])
    assert len(search_transcripts(services, "snow", EVERY, limit=5).sentences) == 2
    answer = search_transcripts(services, "snow", EVERY, limit=5, is_patient=True)
    assert [sentence.hit.position for sentence in answer.sentences] == [6, 5, 4, 3, 2]
    rest = search_transcripts(services, "snow", EVERY, limit=5, is_patient=True, cursor=answer.next_cursor)
    assert [sentence.hit.position for sentence in rest.sentences] == [1, 0]
    assert (rest.next_cursor, answer.is_complete) == (None, False)


@pytest.mark.parametrize(
    "cursor",
    [
        None,
        Cursor(0, 17),
        Cursor(3, 2**40, (0.1, datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC), 9)),
        Cursor(1, 5, (1e-20, datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))), 1)),
    ],
)
def test_a_cursor_survives_the_way_through_a_url(cursor: Cursor | None) -> None:
    assert read_search_cursor(write_search_cursor(cursor)) == cursor


@pytest.mark.parametrize("text", ["", "x", "1", "1_2_3", "1_2_nan_2026-01-01_", "0_-1", f"0_{2**63}", "0_1_x_y_z"])
def test_a_cursor_of_others_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="none that a page of ours ended with"):
        read_search_cursor(text)


def test_days_and_recordings_as_people_name_them(services: Services) -> None:
    assert read_day("2026-03-31") == datetime(2026, 3, 31, tzinfo=UTC)
    assert read_day("2026-03-31T12:00:00+02:00") == datetime(2026, 3, 31, 10, tzinfo=UTC)
    assert read_day("2026-03-31T12:00:00 02:00") == datetime(2026, 3, 31, 10, tzinfo=UTC), "a URL's plus sign"
    with pytest.raises(InputError, match=r"^'yesterday' is not a date such as 2026-03-31\.$"):
        read_day("yesterday")
    talk = tell(services.database, [line("snow", 0.0)], title="talk.mp3")
    assert recording_filter(services, "talk.mp3") == talk.id
    assert recording_filter(services, None) is None
    with pytest.raises(NotFoundError):
        recording_filter(services, "nothing")
