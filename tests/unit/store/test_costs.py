"""The books."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sonicgen.store import costs, recordings
from sonicgen.store.costs import Kind, Price
from sonicgen.store.database import Database
from tests.unit.store.conftest import Claim

PRICE = Price(Decimal("0.36"), "USD")
MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


def test_each_effect_is_booked_once_and_outlives_its_recording(database: Database, claim: Claim) -> None:
    one, two = claim(title="one").id, claim(title="two").id
    with database.transaction() as connection:
        connection.execute("insert into channels values ('c', 'Channel')")
        connection.execute("update videos set channel_id = 'c' where id = %s", (two,))
        booked: tuple[tuple[str, object, Kind, float, date], ...] = (
            ("t1", one, "transcribed", 3600, MONDAY), ("t1", one, "transcribed", 7200, MONDAY),
            ("i2", two, "inherited", 100, MONDAY), ("i2", two, "inherited", 600, TUESDAY),
            ("o2", two, "omitted", 10, TUESDAY), ("t2", two, "transcribed", 60, TUESDAY),
        )  # fmt: skip
        for key, video, kind, seconds, day in booked:
            costs.book(connection, key, video, kind, seconds, day=day, price=PRICE, provider="assemblyai")  # type: ignore[arg-type]
        recordings.delete(connection, one)
    first, second = costs.totals(database, "recording", MONDAY, TUESDAY)
    assert (first.title, first.transcribed_seconds, first.spent) == ("one", 3600, Decimal("0.36"))
    assert (second.title, second.inherited_seconds, second.saved_seconds) == ("two", 600, 610)
    assert (second.spent, second.saved) == (Decimal("0.006"), Decimal("0.061"))
    by_channel = {line.title: line.spent for line in costs.totals(database, "channel", MONDAY, TUESDAY)}
    assert by_channel == {"": Decimal("0.36"), "Channel": Decimal("0.006")}
    by_day = {
        line.key: (line.transcribed_seconds, line.saved_seconds)
        for line in costs.totals(database, "day", MONDAY, TUESDAY)
    }
    assert by_day == {"2026-11-23": (3600, 600), "2026-11-24": (60, 10)}
    assert [line.key for line in costs.totals(database, "day", TUESDAY, TUESDAY)] == ["2026-11-24"]
    assert costs.totals(database, "day", date(2027, 1, 1), date(2027, 1, 2)) == []


def test_a_price_is_by_the_second() -> None:
    assert PRICE.of(1) == Decimal("0.0001")
    assert PRICE.of(0.5) == Decimal("0.00005")
