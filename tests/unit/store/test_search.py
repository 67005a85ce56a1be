from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonicgen.errors import InputError, NotFoundError
from sonicgen.store import search
from sonicgen.store.database import Database
from sonicgen.store.search import Cursor, Filters

DAY = datetime(2026, 3, 1, tzinfo=UTC)
Tell = Callable[..., UUID]


@pytest.fixture
def tell(database: Database) -> Tell:
    """Store a recording with these lines; a line may be (speaker, name, text)."""

    def make(
        *lines: str | tuple[str, str | None, str],
        channel: str | None = None,
        date: datetime = DAY,
        language: str | None = "en",
    ) -> UUID:
        video_id = uuid4()
        with database.transaction() as connection:
            if channel:
                connection.execute(
                    "insert into channels (id, title) values (%s, %s) on conflict do nothing",
                    (channel, f"The {channel}"),
                )
            connection.execute(
                "insert into videos (id, title, channel_id, published_at) values (%s, 'Rain', %s, %s)",
                (video_id, channel, date),
            )
            connection.execute("insert into transcripts (id, video_id) values (%s, %s)", (video_id, video_id))
            for position, line in enumerate(lines):
                speaker, name, text = line if isinstance(line, tuple) else ("A", None, line)
                connection.execute(
                    "insert into utterances (video_id, transcript_id, position, start_seconds, end_seconds, speaker,"
                    " speaker_name, text, language) values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                    (video_id, video_id, position, position * 5, position * 5 + 4, speaker, name, text, language),
                )
        return video_id

    return make


def texts(database: Database, query: str, filters: Filters | None = None) -> list[str]:
    return [hit.utterance.text for hit in search.search(database, query, filters).hits]


def everything(database: Database, query: str, filters: Filters | None = None, limit: int = 3) -> list[str]:
    """Turn pages to the end."""
    found: list[str] = []
    cursor: Cursor | None = None
    for _ in range(10_000):
        page = search.search(database, query, filters, limit=limit, cursor=cursor)
        assert len(page.hits) <= limit
        found += [hit.utterance.text for hit in page.hits]
        cursor = page.next_cursor
        if cursor is None:
            return found
    raise AssertionError("the pages have no end")


def test_words_phrases_alternatives_exclusions(database: Database, tell: Tell) -> None:
    tell("we met in the garden", "the garden is green", "to be or not to be", "we don't know")
    tell("über die Straße", language="de")
    for query, expected in (
        ("garden", {"we met in the garden", "the garden is green"}),
        ("Gardens", {"we met in the garden", "the garden is green"}),
        ("green garden", {"the garden is green"}),
        ('"the garden is"', {"the garden is green"}),
        ('"garden the"', set()),
        ("garden -green", {"we met in the garden"}),
        ('garden -"we met"', {"the garden is green"}),
        ("green OR met", {"we met in the garden", "the garden is green"}),
        ('"to be or not to be"', {"to be or not to be"}),
        ("don't", {"we don't know"}),
        ("ÜBER", {"über die Straße"}),
        ("nowhere", set()),
    ):
        assert set(texts(database, query)) == expected, query


def test_each_language_is_stemmed_its_own_way(database: Database, tell: Tell) -> None:
    tell("die Häuser am See", language="de_DE")
    tell("the houses by the lake", language="en_us")
    tell("nobody knows which language", language=None)
    assert texts(database, "Häusern") == ["die Häuser am See"]
    assert texts(database, "house") == ["the houses by the lake"]
    assert texts(database, "languages") == [], "an unknown language is searched by whole words"
    assert texts(database, "language") == ["nobody knows which language"]


def test_closer_words_come_first_then_newer_recordings(database: Database, tell: Tell) -> None:
    tell("rain and a lot of other words and then snow", "rain, snow", date=DAY)
    tell("snow", date=DAY + timedelta(days=1))
    tell("snow", date=DAY - timedelta(days=1))
    assert texts(database, "rain snow") == ["rain, snow", "rain and a lot of other words and then snow"]
    hits = search.search(database, "snow -rain").hits
    assert [hit.happened_at for hit in hits] == [DAY + timedelta(days=1), DAY - timedelta(days=1)]


def test_filters(database: Database, tell: Tell) -> None:
    first = tell(("A", None, "snow one"), ("B", "Ada Lovelace", "snow two"), channel="UC1", date=DAY)
    tell(("B", None, "snow three"), ("C", "Ada Byron", "snow four"), channel="UC2", date=DAY + timedelta(days=1))
    assert set(texts(database, "snow", Filters(speaker="b"))) == {"snow two", "snow three"}
    assert set(texts(database, "snow", Filters(speaker="ada"))) == {"snow two", "snow four"}
    assert set(texts(database, "snow", Filters(speaker="Ada  lovelace"))) == {"snow two"}
    assert set(texts(database, "snow", Filters(speaker="nobody"))) == set()
    assert set(texts(database, "snow", Filters(channel="UC1"))) == {"snow one", "snow two"}
    assert set(texts(database, "snow", Filters(channel="the uc2"))) == {"snow three", "snow four"}
    assert set(texts(database, "snow", Filters(after=DAY + timedelta(days=1)))) == {"snow three", "snow four"}
    assert set(texts(database, "snow", Filters(before=DAY + timedelta(days=1)))) == {"snow one", "snow two"}
    assert set(texts(database, "snow", Filters(video_id=first, speaker="A"))) == {"snow one"}
    with pytest.raises(NotFoundError, match=r"No channel has the id or title 'UC3'\.$"):
        search.search(database, "snow", Filters(channel="UC3"))
    assert texts(database, "snow", Filters(video_id=uuid4())) == []
    assert search.search(database, "snow", Filters(video_id=uuid4())).next_cursor is None


def test_the_index_follows_the_line(database: Database, tell: Tell) -> None:
    video_id = tell("snow")
    with database.transaction() as connection:
        connection.execute("update utterances set text = 'rain', speaker_name = 'Ada' where video_id = %s", (video_id,))
    assert texts(database, "snow") == []
    assert texts(database, "rain", Filters(speaker="ada")) == ["rain"]
    with database.transaction() as connection:
        connection.execute("delete from videos where id = %s", (video_id,))
        row = connection.execute("select count(*) as count from utterance_words").fetchone()
    assert row == {"count": 0}
    assert texts(database, "rain") == []


def test_a_query_that_names_nothing_is_refused(database: Database, tell: Tell) -> None:
    tell("snow")
    for query in ("", "  ", "...", "-snow", "-a or -b", '""', "a or -b", "x" * 401, "a\x00b"):
        with pytest.raises(InputError, match=r"^The query .*\.$"):
            search.search(database, query)


def test_no_query_is_a_mistake_of_ours(database: Database, tell: Tell) -> None:
    tell("snow")
    for query in ("snow & | !(", "'snow", '"snow', "snow:*", "<-> snow", "snow \\ '' --", "((snow"):
        assert texts(database, query) == ["snow"], query


def test_a_line_of_any_length_and_any_name_is_taken(database: Database, tell: Tell) -> None:
    name = "x" * 9_000
    tell(("A", name, " ".join(f"word{number}" for number in range(200_000))), ("B", None, "y" * 9_000))
    assert len(search.search(database, "word17", Filters(speaker=name)).hits) == 1


def test_what_was_looked_for_is_marked_and_nothing_else(database: Database, tell: Tell) -> None:
    tell("a <b>garden</b> \x01 & Gardens")
    (hit,) = search.search(database, "garden").hits
    assert hit.marked.count(search.MARK_START) == hit.marked.count(search.MARK_STOP) == 2
    assert f"{search.MARK_START}Gardens{search.MARK_STOP}" in hit.marked


def test_pages_hold_every_line_once(database: Database, tell: Tell) -> None:
    for part in range(4):
        tell(*[f"snow {part} {number}" for number in range(10)], date=DAY + timedelta(days=part % 2))
    found = everything(database, "snow")
    assert len(found) == len(set(found)) == 40


def test_lines_that_come_between_pages_move_none(database: Database, tell: Tell) -> None:
    tell(*[f"snow {number}" for number in range(10)])
    first = search.search(database, "snow", limit=4)
    tell(*[f"more snow snow {number}" for number in range(10)])
    rest = search.search(database, "snow", limit=100, cursor=first.next_cursor)
    found = [hit.utterance.text for hit in (*first.hits, *rest.hits)]
    assert sorted(found) == sorted(f"snow {number}" for number in range(10))


def bulk(database: Database, spoken: Sequence[str], videos: int = 1, spread_from: int = 1 << 60) -> list[UUID]:
    """Store many lines quickly, in turn to each recording; from `spread_from` on most of the numbers are missing."""
    ids = [uuid4() for _ in range(videos)]
    with database.transaction() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into videos (id, title, published_at) values (%s, 'Rain', %s)", [(i, DAY) for i in ids]
        )
        cursor.executemany("insert into transcripts (id, video_id) values (%s, %s)", [(i, i) for i in ids])
        with cursor.copy(
            "copy utterances (id, video_id, transcript_id, position, start_seconds, end_seconds, speaker, text,"
            " language) from stdin"
        ) as copy:
            for number, text in enumerate(spoken):
                video = ids[number % videos]
                key = 1 + number + 60 * max(0, number - spread_from)
                copy.write_row((key, video, video, number, number, number + 1, "AB"[number % 2], text, "en"))
    return ids


def test_any_density_is_walked_to_the_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches of every size, dense and empty; windows and reading limits small enough to be met often."""
    spoken = [
        " ".join(
            word
            for word, every in (("common", 1), ("third", 3), ("rare", 1_000), ("old", 1))
            if number % every == 0 and (word != "old" or number < 3_000)
        )
        for number in range(12_000)
    ]
    ids = bulk(database, spoken, videos=600, spread_from=6_000)
    monkeypatch.setattr(search, "WINDOW_MATCHES", 400)
    monkeypatch.setattr(search, "MOST_VISITED", 1_000)
    wanted: list[tuple[str, Filters | None, Callable[[int], bool]]] = [
        ("rare", None, lambda n: n % 1_000 == 0),
        ("third", None, lambda n: n % 3 == 0),
        ("old", None, lambda n: n < 3_000),
        ("third -old", None, lambda n: n % 3 == 0 and n >= 3_000),
        ('"third rare"', None, lambda n: n % 3_000 == 0),
        ('"rare third"', None, lambda _: False),
        ("third", Filters(speaker="A"), lambda n: n % 6 == 0),
        ("third", Filters(after=DAY), lambda n: n % 3 == 0),
        ("third", Filters(after=DAY + timedelta(days=1)), lambda _: False),
        ("common", Filters(video_id=ids[1]), lambda n: n % 600 == 1),
    ]
    for query, filters, fits in wanted:
        found = everything(database, query, filters, limit=300)
        assert sorted(found) == sorted(text for n, text in enumerate(spoken) if fits(n)), (query, filters)


def test_a_common_word_is_ranked_among_the_newest(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    bulk(database, [f"common {number}" for number in range(5_000)])
    monkeypatch.setattr(search, "WINDOW_MATCHES", 50)
    page = search.search(database, "common", limit=100)
    assert [hit.utterance.text for hit in page.hits] == [f"common {4_999 - number}" for number in range(50)]
    assert (page.matches, page.is_complete) == (50, False)
    few = search.search(database, "4999")
    assert (few.matches, few.is_complete, few.next_cursor) == (1, True, None)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(query=st.text(st.sampled_from("ab \"-'()&|!:*<>\\ör") | st.characters(codec="utf-8"), max_size=40))
def test_whatever_is_typed_is_an_answer_or_a_sentence(database: Database, query: str) -> None:
    try:
        page = search.search(database, query)
    except InputError as error:
        assert str(error).startswith("The query ")  # noqa: PT017
    else:
        assert page.hits == []
