"""`sonicgen backfill`: bring in what lies somewhere already, or hear everything anew; go on after any interruption."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sonicgen.cli.connect import connected
from sonicgen.cli.console import errors, escape, output, print_json
from sonicgen.domain.backfill import Backfill, BackfillState, Limits
from sonicgen.errors import InputError

if TYPE_CHECKING:
    from sonicgen.steps.services import Services

JOB = "backfill"  # in the topology
_LOOK_SECONDS = 0.5
# Where no bar can be drawn, a line is written so often.
_LINE_SECONDS = 10.0
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*(h?)")
_STYLES = {BackfillState.RUNNING: "blue", BackfillState.PAUSED: "yellow", BackfillState.DONE: "green"}


def backfill(
    source: Annotated[
        str | None,
        typer.Argument(help="gs://BUCKET/PREFIX, or a list: a file with one address a line. Without: the inbox."),
    ] = None,
    refingerprint: Annotated[
        bool, typer.Option("--refingerprint", help="Hear everything anew that an older version heard.")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Only say how far the backfills are.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Have nothing more begun, in any backfill.")] = False,
    rate: Annotated[
        str | None, typer.Option(help="Recordings a minute (60), or hours of sound a minute (2h).", show_default=False)
    ] = None,
    files: Annotated[int | None, typer.Option(min=1, help="Stop after so many files.", show_default=False)] = None,
    hours: Annotated[float | None, typer.Option(help="Stop after so much sound.", show_default=False)] = None,
    cost: Annotated[float | None, typer.Option(help="Stop at this estimated cost.", show_default=False)] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="How many work at once.", show_default=False)
    ] = None,
    here: Annotated[bool, typer.Option("--here", help="Work in processes of this machine, not as a job.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also objects that are no recordings by name.")] = False,
    follow: Annotated[bool, typer.Option(help="Show how far it is until it ends.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Bring in a bucket or a list, as uploads would be, or hear everything anew. Run again, it goes on."""
    limits = read_limits(rate, files, hours, cost)
    with connected() as services:
        if status:
            show_status(services, json)
            return
        if stop:
            _stop(services)
            return
        begun = _begin(services, source, refingerprint, limits, everything)
        count = workers or (min(2, os.cpu_count() or 1) if services.settings.is_embedded else 4)
        with _workers(services, begun, count, here) as is_over:
            if follow or here:
                begun = watch(services, begun, is_over, quiet=json)
        _print_end(services, begun, json)
    if begun.failed or begun.state is BackfillState.PAUSED:
        raise typer.Exit(3)


def read_limits(rate: str | None, files: int | None, hours: float | None, cost: float | None) -> Limits:
    """Return what the options say; raise InputError for a rate that is none, and for budgets of nothing."""
    per_minute, hours_per_minute = None, None
    if rate is not None:
        found = _RATE.fullmatch(rate.strip())
        if found is None or not float(found[1]):
            raise InputError(f"The rate {rate!r} is none; write 60 for recordings, or 2h for hours of sound, a minute.")
        per_minute, hours_per_minute = (None, float(found[1])) if found[2] else (float(found[1]), None)
    if (hours is not None and hours <= 0) or (cost is not None and cost <= 0):
        raise InputError("A budget must be more than nothing.")
    return Limits(per_minute, hours_per_minute, files, hours, None if cost is None else Decimal(str(cost)))


def show_status(services: Services, json: bool) -> None:
    """Print how far the backfills are, and why what failed did."""
    from sonicgen.steps.backfill_status import describe_backfills
    from sonicgen.store import backfills, postings

    if json:
        print_json(describe_backfills(services))
        return
    found = backfills.newest(services.database)
    versions = postings.counts_by_version(services.database)
    for one in found:
        output.print(f"[{_STYLES[one.state]}]{one.state:<8}[/]{describe(one)}", soft_wrap=True)
        _print_failures(services, one)
    if not found:
        output.print("There is no backfill yet.")
    if len(versions) > 1:
        shares = ", ".join(f"{count:,} of version {version}" for version, count in versions.items())
        output.print(f"Fingerprints in the index: {shares}.")


def describe(one: Backfill) -> str:
    """Return a backfill in a line."""
    of = f"{one.listed:,}" if one.is_listed else f"{one.listed:,} and more"
    parts = [f"{escape(one.source)}: {one.ended:,} of {of}", f"{one.done:,} done"]
    parts += [f"{one.known:,} known"] if one.known else []
    parts += [f"[red]{one.failed:,} failed[/]"] if one.failed else []
    parts += [f"{one.seconds / 3600:.2f} h"]
    parts += [f"about {one.cost:.2f} {one.currency}"] if one.cost else []
    return f"{', '.join(parts)}{'. ' + escape(one.reason) if one.reason else ''}"


def watch(services: Services, begun: Backfill, is_over: Callable[[], bool], *, quiet: bool) -> Backfill:
    """Show how far a backfill is until it ends or nobody works on it any more; return it then."""
    from sonicgen.store import backfills

    shows_bar = errors.is_terminal and not quiet
    columns = (BarColumn(bar_width=24), TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    told_at = 0.0
    with Progress(*columns, console=errors, disable=not shows_bar, transient=True) as progress:
        task = progress.add_task("", total=None)
        while True:
            over = is_over()  # before the look: what was done until then is seen
            now = backfills.get(services.database, begun.id)
            progress.update(
                task, completed=now.ended, total=now.listed if now.is_listed else None, description=describe(now)
            )
            if now.state is not BackfillState.RUNNING or over:
                return now
            if not shows_bar and not quiet and time.monotonic() - told_at > _LINE_SECONDS:
                told_at = time.monotonic()
                errors.print(describe(now), soft_wrap=True)
            time.sleep(_LOOK_SECONDS)


def _begin(services: Services, source: str | None, refingerprint: bool, limits: Limits, everything: bool) -> Backfill:
    from sonicgen.steps.backfill import begin_files, begin_refingerprint

    if refingerprint:
        if source is not None:
            raise InputError("--refingerprint is for all of the index; leave the source out.")
        return begin_refingerprint(services, limits)
    return begin_files(services, source, limits, takes_all=everything)


def _stop(services: Services) -> None:
    from sonicgen.steps.backfill import stop_backfills

    stopped = stop_backfills(services)
    for one in stopped:
        output.print(f"{escape(one.source)}: nothing more is begun; what is under way is finished.", soft_wrap=True)
    if not stopped:
        output.print("No backfill runs.")


@contextmanager
def _workers(services: Services, begun: Backfill, count: int, here: bool) -> Iterator[Callable[[], bool]]:
    """Have a job's tasks, or processes of this machine inside the block, work; give what says that all have ended."""
    if not here:
        from sonicgen.cloud.jobs import run_job
        from sonicgen.steps.backfill import names_local_files

        if not services.settings.is_embedded and names_local_files(services, begun):
            raise InputError("The list names files of this machine, which a job cannot read; add --here.")
        run_job(JOB, [str(begun.id)], tasks=count)
        yield lambda: False
        return
    execution = f"here-{uuid4().hex[:8]}"
    command = [sys.executable, "-m", "sonicgen.jobs.backfill", str(begun.id)]
    told = {"CLOUD_RUN_EXECUTION": execution, "CLOUD_RUN_TASK_COUNT": str(count), "SONICGEN_LOG_LEVEL": "WARNING"}
    processes = [
        subprocess.Popen(command, env={**os.environ, **told, "CLOUD_RUN_TASK_INDEX": str(index)}, cwd=Path.cwd())
        for index in range(count)
    ]
    try:
        yield lambda: all(process.poll() is not None for process in processes)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def _print_end(services: Services, ended: Backfill, json: bool) -> None:
    from sonicgen.store import backfills

    if json:
        print_json({**ended.to_json(), "outcomes": backfills.outcomes(services.database, ended.id)})
        return
    output.print(f"[{_STYLES[ended.state]}]{ended.state}[/] {describe(ended)}", soft_wrap=True)
    _print_failures(services, ended)
    if ended.state is BackfillState.RUNNING:
        output.print("It goes on; look with [bold]sonicgen backfill --status[/].")


def _print_failures(services: Services, one: Backfill) -> None:
    from sonicgen.store import backfills

    if not one.failed:
        return
    shown = backfills.failures(services.database, one.id)
    for failure in shown:
        output.print(
            f"  [red]{escape(failure.outcome)}[/] {escape(failure.address)}: {escape(failure.detail)}", soft_wrap=True
        )
    if one.failed > len(shown):
        output.print(f"  … and {one.failed - len(shown):,} more")
