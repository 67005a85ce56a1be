"""`sonicgen ingest` and `sources`: read channels, playlists, feeds and links, and stay in step with them."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from sonicgen.cli.connect import connected
from sonicgen.cli.console import errors, escape, output, print_json
from sonicgen.domain.address import parse_address
from sonicgen.domain.filters import Filters, read_moment
from sonicgen.domain.source import Source, SourceKind, SourceState
from sonicgen.errors import InputError

if TYPE_CHECKING:
    from sonicgen.steps.ask_source import Asked
    from sonicgen.steps.services import Services

_LOOK_SECONDS = 0.2
_STYLES = {
    SourceState.ACTIVE: "blue",
    SourceState.DONE: "green",
    SourceState.PAUSED_QUOTA: "yellow",
    SourceState.FAILED: "red",
}
_DATE = "YYYY-MM-DD, MM/DD/YYYY or an ISO time, UTC"


def ingest(
    named: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE…", help="@handle, channel id, playlist, video, feed or link.", show_default=False
        ),
    ] = None,
    after: Annotated[str | None, typer.Option(help=f"Only what was published from then on: {_DATE}.")] = None,
    before: Annotated[str | None, typer.Option(help="Only what was published before.")] = None,
    most: Annotated[int | None, typer.Option("--max", min=1, help="At most so many, newest first.")] = None,
    title: Annotated[str | None, typer.Option(help="Only titles with all of these words.")] = None,
    pattern: Annotated[str | None, typer.Option(help="Only titles that this regular expression finds.")] = None,
    min_seconds: Annotated[float | None, typer.Option(min=0, help="Only what is as long.")] = None,
    max_seconds: Annotated[float | None, typer.Option(min=0, help="Only what is no longer.")] = None,
    shorts: Annotated[bool, typer.Option(help="Take Shorts.")] = True,
    live: Annotated[bool, typer.Option(help="Take live streams, also those that are over.")] = True,
    watch: Annotated[bool, typer.Option("--watch", help="Keep taking what is new.")] = False,
    feed: Annotated[bool, typer.Option("--feed", help="The links lead to feeds, whatever they look like.")] = False,
    due: Annotated[bool, typer.Option("--due", help="Look at the watched sources that are due.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON list at the end instead of progress.")] = False,
) -> None:
    """Read sources and discover their videos. Ctrl-C stops the watching, not the work."""
    if due:
        _look_at_due(json)
        return
    if not named and sys.stdin.isatty():
        answer = typer.prompt(
            "A handle such as @SomeChannel, or a link; Enter to look at what is due", default="", show_default=False
        )
        if not answer.strip():
            _look_at_due(json)
            return
        named = [answer]
    if not named:
        raise InputError("Name a source, such as @handle or the address of a feed; `--due` looks at the watched ones.")
    kind = SourceKind.FEED if feed else None
    filters = Filters(
        published_after=read_moment(after, "date after --after") if after else None,
        published_before=read_moment(before, "date after --before") if before else None,
        max_videos=most,
        title_words=tuple((title or "").split()),
        title_pattern=pattern,
        min_duration_seconds=min_seconds,
        max_duration_seconds=max_seconds,
        include_shorts=shorts,
        include_live=live,
    )
    for text in named:
        parse_address(text, kind)  # before anything is asked for
    with connected() as services:
        from sonicgen.steps.ask_source import ask_source, source_json

        asked = [ask_source(services, text, filters, watch=watch, kind=kind) for text in dict.fromkeys(named)]
        read = _follow(services, asked, quiet=json)
    if json:
        print_json([source_json(source) for source in read])
    if any(source.state is SourceState.FAILED for source in read):
        raise typer.Exit(3)


def sources(
    stop: Annotated[str | None, typer.Option(metavar="ID", help="Stop reading and watching this one.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the documented JSON form.")] = False,
) -> None:
    """List what is read: its state and why, and today's units of the YouTube Data API."""
    with connected() as services:
        from sonicgen.steps.ask_source import source_json, youtube_quota
        from sonicgen.store import sources as store

        if stop is not None:
            stopped = store.stop(services.database, store.get_by_prefix(services.database, stop).id)
            output.print(f"Stopped: {escape(stopped.title or stopped.address)}")
            return
        known, spent = store.list_all(services.database), youtube_quota(services)
    if json:
        quota = {"units": spent.units, "limit": spent.unit_limit, "resets_at": spent.resets_at.isoformat()}
        print_json({"sources": [source_json(source) for source in known], "youtube_quota": quota})
        return
    if not known:
        output.print("No sources yet. Read one: [bold]sonicgen ingest @handle[/]")
    else:
        _print_table(known)
    used = "all" if spent.is_exhausted else f"{spent.units:,} of {spent.unit_limit:,}"
    errors.print(
        f"[dim]YouTube Data API: {used} units of today are spent, new ones come {spent.resets_at:%d %b %H:%M} UTC[/]"
    )


def _look_at_due(json: bool) -> None:
    with connected() as services:
        from sonicgen.steps.poll_sources import poll_due_sources

        polled = poll_due_sources(services)
    if json:
        print_json({"due": polled.due, "renewed": polled.renewed, "announced": polled.announced})
    else:
        output.print(f"{polled.due} sources are due, {polled.renewed} subscriptions asked for again.")


def _follow(services: Services, asked: list[Asked], quiet: bool) -> list[Source]:
    """Show how the reading goes until each source has come to an end; return them in their order."""
    from sonicgen.steps.ask_source import look_at

    ended: dict[str, Source] = {}
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, console=errors, disable=quiet) as progress:
        tasks: dict[str, TaskID] = {
            each.text: progress.add_task(escape(each.text), told="[dim]waiting[/]", total=1) for each in asked
        }
        while len(ended) < len(asked):
            for each in asked:
                if each.text in ended:
                    continue
                source, is_over = look_at(services, each)
                if source is not None:
                    progress.update(tasks[each.text], told=_counts(source), completed=int(is_over))
                if source is not None and is_over:
                    ended[each.text] = source
            if len(ended) < len(asked):
                time.sleep(_LOOK_SECONDS)
    if not quiet:
        for each in asked:
            source = ended[each.text]
            output.print(
                f"[{_STYLES[source.state]}]{source.state:<12}[/] [dim]{str(source.id)[:8]}[/]  "
                f"{escape(source.title or source.address)}  {_counts(source)}  [dim]{escape(source.explain())}[/]",
                soft_wrap=True,
            )
    return [ended[each.text] for each in asked]


def _counts(source: Source) -> str:
    units = f", {source.units:,} units" if source.units else ""
    held_up = f" [yellow]{escape(source.reason_detail)}[/]" if _is_held_up(source) and source.reason_detail else ""
    return f"{source.discovered:,} discovered: {source.taken:,} new, {source.filtered:,} left out{units}{held_up}"


def _is_held_up(source: Source) -> bool:
    return source.state is SourceState.ACTIVE


def _print_table(known: list[Source]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("id", "state", "new", "left out", "next look", "source", "why"):
        table.add_column(heading, overflow="ellipsis", no_wrap=heading not in ("why", "source"))
    for source in known:
        table.add_row(
            str(source.id)[:8],
            f"[{_STYLES[source.state]}]{source.state}[/]",
            f"{source.taken:,}",
            f"{source.filtered:,}",
            f"{source.next_poll_at:%d %b %H:%M}" if source.next_poll_at else "",
            escape(f"{source.title} ({source.address})" if source.title else source.address),
            f"[dim]{escape(source.explain())}[/]",
        )
    output.print(table)
