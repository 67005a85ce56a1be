"""How the command writes moments."""

from __future__ import annotations

import pytest

from sonicgen.cli.console import clock, read_clock
from sonicgen.errors import InputError


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"), (0, "0:00.0"), (-0.04, "0:00.0"), (59.96, "1:00.0"), (61.25, "1:01.2"), (3599.94, "59:59.9"),
        (3599.96, "1:00:00.0"), (36_000, "10:00:00.0"), (36_061.5, "10:01:01.5"),
    ],
)  # fmt: skip
def test_clock(seconds: float | None, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12:34", 754.0), ("1:02:03.5", 3723.5), ("90", 90.0), ("0.25", 0.25), ("75:00", 4500.0), ("0:59.9", 59.9)],
)
def test_a_moment_is_read_as_it_is_written(text: str, seconds: float) -> None:
    assert read_clock(text) == seconds
    assert read_clock(clock(seconds)) == pytest.approx(seconds, abs=0.06)


@pytest.mark.parametrize("text", ["", "1:2:3:4", "1:60", "-1", "1:-2", "a", "1:", ":1", "nan", "1e3", "1.5:00", "１２"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no moment"):
        read_clock(text)
