"""Sources and their items when several are at them at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from sonicgen.domain.filters import Candidate, FilteredBy, Filters
from sonicgen.domain.source import SourceKind, SourceReason, linked_video_id, source_id
from sonicgen.errors import InputError, NotFoundError, SupersededError
from sonicgen.store import items, recordings, sources
from sonicgen.store.database import Database
from sonicgen.store.items import Added, Item


def an_item(name: str, filtered_by: FilteredBy | None = None, **changes: object) -> Item:
    url = f"https://example.org/{name}"
    made = Candidate(item=name, video_id=linked_video_id(url), url=url, title=f"Title of {name}")
    return Item(replace(made, **changes), filtered_by)  # type: ignore[arg-type]


def a_source(database: Database, name: str = "https://example.org/feed") -> UUID:
    return sources.begin(database, SourceKind.FEED, name).source.id


def add(database: Database, source: UUID, *given: Item) -> Added:
    with database.transaction() as connection:
        return items.add(connection, source, given)


def test_a_video_is_new_for_one_of_those_that_bring_it(database: Database) -> None:
    names = [a_source(database, f"https://example.org/{number}/feed") for number in range(4)]
    given = [an_item(str(number)) for number in range(200)]
    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(lambda name: add(database, name, *given), names))
    assert sum(each.new for each in added) == 200
    assert sum(each.known for each in added) == 600
    owed = [video.video_id for name in names for video in items.unannounced(database, name)]
    assert len(owed) == len(set(owed)) == 200


def test_items_are_added_once_whatever_they_hold(database: Database) -> None:
    source = a_source(database)
    given = [
        an_item("a"),
        an_item("a", title="again"),
        an_item("b", video_id=linked_video_id("https://example.org/a")),  # the same video by another name
        an_item("c", FilteredBy.SHORTS),
        an_item("d", title="nul\x00 and “quotes” 💧", description="\x00"),
    ]
    assert add(database, source, *given) == Added(new=2, known=0, filtered=1)
    assert add(database, source, *given[:1], *given[3:]) == Added()
    assert items.known(database, source, ["a", "c", "d", "z"]) == {"a": False, "c": False, "d": False}
    assert recordings.get(database, given[4].candidate.video_id).title == "nul and “quotes” 💧"
    items.set_announced(database, source, ["a"])
    assert [video.item for video in items.unannounced(database, source)] == ["d"]


def test_what_nobody_could_see_may_come_later_and_nothing_else(database: Database) -> None:
    source = a_source(database)
    add(database, source, an_item("hidden", FilteredBy.UNAVAILABLE), an_item("short", FilteredBy.SHORTS))
    assert items.known(database, source, ["hidden", "short"]) == {"hidden": True, "short": False}
    assert add(database, source, an_item("hidden"), an_item("short")).new == 1
    assert items.count_selected(database, source) == 1


def test_a_forgotten_video_stays_forgotten(database: Database) -> None:
    source = a_source(database)
    add(database, source, an_item("a"))
    with database.transaction() as connection:
        recordings.delete(connection, an_item("a").candidate.video_id)
    assert add(database, source, an_item("a")) == Added()
    assert items.unannounced(database, source) == []


def test_a_reading_ends_when_another_begins(database: Database) -> None:
    older = sources.begin(database, SourceKind.CHANNEL, "@a").source
    with database.transaction() as connection:
        older = sources.move_on(connection, older, page_token="two", discovered=50)
    newer = sources.begin(database, SourceKind.CHANNEL, "@a").source
    assert (newer.page_token, newer.discovered, newer.read_number) == ("two", 50, 2)
    with pytest.raises(SupersededError), database.transaction() as connection:
        sources.move_on(connection, older, page_token="three")
    with pytest.raises(SupersededError):
        sources.finish(database, older)
    anew = sources.begin(database, SourceKind.CHANNEL, "@a", filters=Filters(max_videos=1)).source
    assert (anew.page_token, anew.discovered) == (None, 0)


def test_each_due_source_goes_to_one(database: Database) -> None:
    for number in range(30):
        a_source(database, f"https://example.org/{number}/feed")
    later = datetime.now(UTC) + timedelta(minutes=61)  # a reading that stands is found an hour on
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda _: sources.take_due(database, 10, later), range(4)))
    taken = [source.id for part in parts for source, _ in part]
    assert len(taken) == len(set(taken))
    assert sources.take_due(database, 10) == []


def test_a_source_is_found_as_people_name_it(database: Database) -> None:
    identifier = sources.begin(database, SourceKind.CHANNEL, "@weather").source.id
    assert sources.get_by_prefix(database, "@weather").id == identifier == source_id(SourceKind.CHANNEL, "@weather")
    assert sources.get_by_prefix(database, str(identifier)[:8]).id == identifier
    assert sources.find(database, UUID(int=1)) is None
    with pytest.raises(NotFoundError, match="sonicgen sources"):
        sources.get_by_prefix(database, "@nobody")
    with pytest.raises(NotFoundError):
        sources.begin_again(database, UUID(int=1))
    sources.stop(database, identifier)
    with pytest.raises(SupersededError, match="stopped"):
        sources.begin_again(database, identifier)
    assert sources.begin(database, SourceKind.CHANNEL, "@weather").source.reason is SourceReason.READING
    for number in range(40):
        a_source(database, f"https://example.org/{number}")
    prefixes = [str(source.id)[0] for source in sources.list_all(database)]
    with pytest.raises(InputError, match="fits several"):
        sources.get_by_prefix(database, max(prefixes, key=prefixes.count))
