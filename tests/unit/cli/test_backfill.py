"""What the options of `sonicgen backfill` mean."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sonicgen.cli.backfill import read_limits
from sonicgen.domain.backfill import BackfillKind, Limits, backfill_id, split_address
from sonicgen.errors import InputError


def test_rates_and_budgets() -> None:
    assert read_limits(None, None, None, None) == Limits()
    assert read_limits("60", 5, None, None) == Limits(recordings_per_minute=60.0, most_files=5)
    assert read_limits(" 1.5 h", None, 2.0, 0.5) == Limits(
        hours_per_minute=1.5, most_hours=2.0, most_cost=Decimal("0.5")
    )


@pytest.mark.parametrize("rate", ["", "fast", "-1", "0", "0h", "10 m"])
def test_rates_that_are_none(rate: str) -> None:
    with pytest.raises(InputError, match="write 60 for recordings"):
        read_limits(rate, None, None, None)


@pytest.mark.parametrize(("hours", "cost"), [(0.0, None), (None, -1.0)])
def test_budgets_of_nothing(hours: float | None, cost: float | None) -> None:
    with pytest.raises(InputError, match="more than nothing"):
        read_limits(None, None, hours, cost)


def test_the_same_source_is_the_same_backfill() -> None:
    one = backfill_id(BackfillKind.FILES, "gs://a/b")
    assert one == backfill_id(BackfillKind.FILES, "gs://a/b")
    assert (
        len({one, backfill_id(BackfillKind.FILES, "gs://a/c"), backfill_id(BackfillKind.REFINGERPRINT, "gs://a/b")})
        == 3
    )


def test_addresses_in_buckets() -> None:
    assert split_address("gs://bucket/a/b c.mp3") == ("bucket", "a/b c.mp3")
    assert split_address("gs://bucket") == ("bucket", "")
    for address in ("http://bucket/a", "gs:///a", "bucket/a"):
        with pytest.raises(InputError):
            split_address(address)
