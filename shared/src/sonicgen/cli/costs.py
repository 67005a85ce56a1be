"""`sonicgen costs`: what transcription cost, and what it did not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from sonicgen.cli.connect import connected
from sonicgen.cli.console import clock, escape, output, print_json
from sonicgen.errors import InputError

if TYPE_CHECKING:
    from sonicgen.store.costs import CostLine

_FIRST_DAY = date(2000, 1, 1)


class Grouping(StrEnum):
    """What a line of the books is about."""

    RECORDING = "recording"
    CHANNEL = "channel"
    DAY = "day"


def costs(
    by: Annotated[Grouping, typer.Option(help="One line for each recording, channel or day.")] = Grouping.RECORDING,
    since: Annotated[str | None, typer.Option(help="The first day (UTC), as 2026-11-21.", show_default=False)] = None,
    until: Annotated[str | None, typer.Option(help="The last day (UTC).", show_default=False)] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the seconds that were transcribed, inherited and saved, and the money."""
    from sonicgen.store.costs import totals

    first, last = _read_day(since) or _FIRST_DAY, _read_day(until) or datetime.now(UTC).date()
    with connected() as services:
        lines = totals(services.database, by.value, first, last)
    if json:
        print_json([line.to_json() for line in lines])
    elif not lines:
        output.print("Nothing is booked in that time.")
    else:
        output.print(_table(lines, by))


def _table(lines: list[CostLine], by: Grouping) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", show_footer=True, footer_style="bold")
    columns = (
        ("transcribed", clock(sum(line.transcribed_seconds for line in lines))),
        ("inherited", clock(sum(line.inherited_seconds for line in lines))),
        ("saved", clock(sum(line.saved_seconds for line in lines))),
        ("spent", _sum(lines, "spent")),
        ("saved money", _sum(lines, "saved")),
    )
    table.add_column(by.value, footer="in all", overflow="ellipsis")
    for heading, footer in columns:
        table.add_column(heading, footer=footer, justify="right", no_wrap=True)
    for line in lines:
        table.add_row(
            escape(line.title or line.key or "no channel"),
            clock(line.transcribed_seconds),
            clock(line.inherited_seconds),
            clock(line.saved_seconds),
            f"{line.spent:.4f} {line.currency}",
            f"{line.saved:.4f} {line.currency}",
        )
    return table


def _sum(lines: list[CostLine], name: str) -> str:
    sums: dict[str, Decimal] = {}
    for line in lines:
        sums[line.currency] = sums.get(line.currency, Decimal(0)) + getattr(line, name)
    return ", ".join(f"{amount:.4f} {currency}" for currency, amount in sums.items())


def _read_day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{text!r} is no day; write it as 2026-11-21.") from error
