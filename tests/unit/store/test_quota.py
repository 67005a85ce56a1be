"""Units are never granted beyond the limit, and a day begins at midnight Pacific time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from sonicgen.store import quota
from sonicgen.store.database import Database

SERVICE = "youtube"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_last_units_go_to_one(database: Database) -> None:
    def take(_: int) -> bool:
        return quota.reserve(database, SERVICE, 1, 25).is_granted

    with ThreadPoolExecutor(6) as pool:
        granted = list(pool.map(take, range(40)))
    assert sum(granted) == 25
    assert quota.today(database, SERVICE, 25).units == 25
    assert not quota.reserve(database, SERVICE, 1, 25).is_granted
    assert quota.reserve(database, "other", 1, 25).is_granted
    assert quota.reserve(database, SERVICE, 5, 30).units == 30  # the limit was raised meanwhile


def test_what_is_more_than_what_is_left_is_refused_whole(database: Database) -> None:
    assert quota.reserve(database, SERVICE, 8, 10).is_granted
    refused = quota.reserve(database, SERVICE, 3, 10)
    assert (refused.is_granted, refused.units) == (False, 8)
    assert quota.reserve(database, SERVICE, 2, 10).is_granted


@pytest.mark.parametrize(
    ("at", "resets_at"),
    [
        ("2026-07-01T06:59:59Z", "2026-07-01T07:00:00Z"),  # summer: UTC-7
        ("2026-07-01T07:00:00Z", "2026-07-02T07:00:00Z"),
        ("2026-12-01T07:59:59Z", "2026-12-01T08:00:00Z"),  # winter: UTC-8
        ("2026-03-08T09:00:00Z", "2026-03-09T07:00:00Z"),  # a day of 23 hours
        ("2026-11-01T08:00:00Z", "2026-11-02T08:00:00Z"),  # and one of 25
    ],
)
def test_the_day_is_pacific(database: Database, at: str, resets_at: str) -> None:
    reserved = quota.reserve(database, SERVICE, 10, 10, at=moment(at))
    assert reserved.is_granted
    assert reserved.resets_at.astimezone(UTC) == moment(resets_at)
    assert not quota.reserve(database, SERVICE, 1, 10, at=moment(at)).is_granted
    assert quota.reserve(database, SERVICE, 10, 10, at=moment(resets_at)).is_granted


def test_the_service_has_the_last_word(database: Database) -> None:
    quota.reserve(database, SERVICE, 3, 10)
    resets_at = quota.exhaust(database, SERVICE, 10)
    assert not quota.reserve(database, SERVICE, 1, 10).is_granted
    today = quota.today(database, SERVICE, 10)
    assert (today.units, today.is_exhausted, today.resets_at) == (3, True, resets_at)
    assert quota.reserve(database, SERVICE, 1, 10, at=resets_at).is_granted


def test_nothing_is_spent_yet(database: Database) -> None:
    today = quota.today(database, SERVICE, 10_000)
    assert (today.units, today.unit_limit, today.is_exhausted) == (0, 10_000, False)
