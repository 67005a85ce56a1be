"""A day's limit, in hours or in money."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sonicgen.errors import SettingsError
from sonicgen.speech.budget import Budget, read_budget

PRICE = Decimal("0.36")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2.5h", Budget(Decimal("2.5"), True)),
        (" 10 ", Budget(Decimal(10), False)),
        ("3 h", Budget(Decimal(3), True)),
        (None, None),
        ("", None),
    ],
)
def test_forms(text: str | None, wanted: Budget | None) -> None:
    assert read_budget(text, "NAME") == wanted


@pytest.mark.parametrize("text", ["ten", "-1", "5 USD", "1,5h"])
def test_a_wrong_form_names_the_setting(text: str) -> None:
    with pytest.raises(SettingsError, match="NAME is"):
        read_budget(text, "NAME")


def test_the_limit_itself_is_allowed() -> None:
    hours, money = Budget(Decimal(1), True), Budget(Decimal("0.36"), False)
    for budget in (hours, money):
        assert budget.allows(1800, 1800, PRICE)
        assert not budget.allows(1800, 1801, PRICE)
    assert money.allows(10**9, 10**9, Decimal(0)), "what is free is never over a budget of money"
