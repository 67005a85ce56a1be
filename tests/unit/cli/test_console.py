"""How the command writes moments."""

from __future__ import annotations

import pytest

from sonicgen.cli.console import clock


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"), (0, "0:00.0"), (-0.04, "0:00.0"), (59.96, "1:00.0"), (61.25, "1:01.2"), (3599.94, "59:59.9"),
        (3599.96, "1:00:00.0"), (36_000, "10:00:00.0"), (36_061.5, "10:01:01.5"),
    ],
)  # fmt: skip
def test_clock(seconds: float | None, text: str) -> None:
    assert clock(seconds) == text
