"""How much may be transcribed in a day, in hours of sound or in money."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from sonicgen.errors import SettingsError

_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(h?)")


@dataclass(frozen=True, slots=True)
class Budget:
    """A day's limit; `is_hours` says of what."""

    limit: Decimal
    is_hours: bool

    def allows(self, spent_seconds: float, seconds: float, price_per_hour: Decimal) -> bool:
        """Whether so many seconds more may be sent on a day on which some were."""
        hours = Decimal(str(spent_seconds + seconds)) / 3600
        return (hours if self.is_hours else hours * price_per_hour) <= self.limit


def read_budget(text: str | None, name: str) -> Budget | None:
    """Return the budget of a setting: "2.5h" are hours, "10" is money; None when there is no limit.

    Raises SettingsError naming the setting.
    """
    if not text:
        return None
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise SettingsError(f"{name} is {text!r}; give hours as 2.5h or money as 10.")
    return Budget(Decimal(form[1]), form[2] == "h")
