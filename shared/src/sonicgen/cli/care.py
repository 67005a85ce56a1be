"""`sonicgen doctor`, `replay` and `migrate`: the care of a running system."""

from __future__ import annotations

import typer
from rich.table import Table

from sonicgen.cli.connect import connected
from sonicgen.cli.console import escape, output, print_json
from sonicgen.settings import read_settings


def doctor(json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """List each part, what provides it here, and what is missing. Ends with 3 when a part that is needed fails."""
    from sonicgen.cli.checks import check_parts

    parts = check_parts(read_settings())
    if json:
        print_json([part.to_json() for part in parts])
    else:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for heading in ("part", "provider", "state", ""):
            table.add_column(heading)
        marks = {True: "[green]works[/]", False: "[red]fails[/]", None: "[dim]not yet[/]"}
        for part in parts:
            table.add_row(part.name, part.provider, marks[part.works], f"[dim]{escape(part.detail)}[/]")
        output.print(table)
    if any(part.works is False for part in parts):
        raise typer.Exit(3)


def replay(
    limit: int = typer.Option(1_000, min=1, help="At most so many."),
    stranded_seconds: float = typer.Option(3_600.0, min=0, help="Pending for longer than this counts as stranded."),
) -> None:
    """Send dead letters and stranded recordings through their work again."""
    from sonicgen.steps.replay import replay as replay_step

    with connected() as services:
        done = replay_step(services, limit, stranded_seconds)
    if done.dead_letters or done.stranded:
        output.print(f"Sent again: {done.dead_letters} dead letters, {done.stranded} stranded recordings.")
    else:
        output.print("Nothing to replay.")


def pack() -> None:
    """Move postings that have settled into packed blocks, a tenth of their size. May be stopped and run at any time."""
    from sonicgen.steps.pack_index import pack_index
    from sonicgen.store import postings

    with connected() as services:
        with output.status("Packing…", spinner="dots"):
            segments = pack_index(services.database)
        megabytes = postings.storage_bytes(services.database) / 2**20
        hours = postings.indexed_seconds(services.database) / 3600
    output.print(f"{hours:.2f} h in {segments} packed segments; the index takes {megabytes:.1f} MB on disk.")


def migrate(
    spread: bool = typer.Option(False, "--spread", help="Spread the index over the nodes of an existing Citus."),
) -> None:
    """Bring the database's schema up to date."""
    from sonicgen.store.distributed import spread_index
    from sonicgen.store.migrations import migrate as migrate_store

    with connected() as services:
        applied = migrate_store(services.database)
        if spread:
            spread_index(services.database)
            output.print("The index is spread over the nodes of this Citus.")
    for name in applied:
        output.print(f"applied {name}")
    if not applied:
        output.print("The schema is up to date.")
