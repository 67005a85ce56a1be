"""`sonicgen index`: bring a whole folder in, several files at a time."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sonicgen.cli.connect import connected
from sonicgen.cli.console import clock, errors, escape, output, print_json
from sonicgen.errors import InputError

if TYPE_CHECKING:
    from sonicgen.steps.index_folder import Indexed

# As many as there are cores to read them, and one that is on its way meanwhile.
AT_A_TIME = (os.cpu_count() or 1) + 1
STYLES = {"fingerprinted": "green", "matched": "cyan", "known": "dim", "too_short": "yellow", "flag": "red", "failed": "red"}  # fmt: skip  # noqa: E501


@dataclass
class Summary:
    """What a run did so far."""

    files: int
    states: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0  # of sound that was new to the system in this run
    failed: list[Indexed] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def add(self, indexed: Indexed) -> None:
        """Count one file."""
        self.states[indexed.state] += 1
        if indexed.recording is not None and not indexed.was_known:
            self.seconds += indexed.recording.duration_seconds or 0.0
        if indexed.is_failed:
            self.failed.append(indexed)

    @property
    def done(self) -> int:
        """How many files are through."""
        return self.states.total()

    @property
    def elapsed_seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self.started

    def describe(self) -> str:
        """Return the states and how many files are in each."""
        return ", ".join(f"[{STYLES[state]}]{self.states[state]} {state}[/]" for state in STYLES if self.states[state])

    def to_json(self) -> dict[str, object]:
        """Return the documented form (docs/api.md)."""
        return {
            "files": self.files,
            "done": self.done,
            "states": dict(self.states),
            "seconds": round(self.seconds, 3),
            "failed": [{"path": str(one.path), "state": one.state, "why": one.why} for one in self.failed],
            "elapsed_seconds": round(self.elapsed_seconds, 1),
        }


def index(
    folder: Annotated[Path, typer.Argument(help="A folder; those inside it are read too.", show_default=False)],
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Files under way at a time.")] = AT_A_TIME,
    everything: Annotated[bool, typer.Option("--all", help="Also files that are no recordings by name.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Upload a folder of recordings, several at a time, and wait for each. Run again, it goes on where it stopped."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder.")
    from sonicgen.steps.index_folder import find_files, index_folder

    files = find_files(folder, everything)
    summary = Summary(len(files))
    with connected() as services:
        try:
            with _shown(summary, quiet=json) as show, closing(index_folder(services, files, jobs)) as results:
                for indexed in results:
                    summary.add(indexed)
                    show.update(indexed)
        finally:  # what is done is done, also when a service fails or Ctrl-C is pressed
            if json:
                print_json(summary.to_json())
            else:
                _print(summary)
    if summary.failed:
        raise typer.Exit(3)


class _Show:
    """The line that moves, and a line for each file that somebody has to look at."""

    def __init__(self, progress: Progress, summary: Summary) -> None:
        self._progress = progress
        self._summary = summary
        self._task = progress.add_task("", total=summary.files or 1, files="", hours="", states="")
        self._draw()

    def update(self, indexed: Indexed) -> None:
        """Show that a file is through."""
        if indexed.is_failed:
            self._progress.console.print(f"[red]{indexed.state:<7}[/] {_describe(indexed)}", soft_wrap=True)
        self._draw()

    def _draw(self) -> None:
        summary = self._summary
        self._progress.update(
            self._task,
            completed=summary.done if summary.files else 1,
            files=f"{summary.done}/{summary.files} files",
            hours=f"{summary.seconds / 3600:.2f} h",
            states=summary.describe(),
        )


@contextmanager
def _shown(summary: Summary, quiet: bool) -> Iterator[_Show]:
    columns = (
        TextColumn("{task.fields[files]}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[hours]}"),
        TextColumn("{task.fields[states]}"),
    )
    with Progress(*columns, console=errors, disable=quiet, transient=True) as progress:
        yield _Show(progress, summary)


def _print(summary: Summary) -> None:
    if not summary.files:
        output.print("No recordings there; with [bold]--all[/] every file is tried.")
        return
    speed = summary.seconds / max(summary.elapsed_seconds, 0.001)
    took = clock(summary.elapsed_seconds)
    output.print(f"{summary.done} of {summary.files} files in {took}: {summary.describe() or 'nothing'}")
    if summary.seconds:
        output.print(f"[dim]{summary.seconds / 3600:.2f} h of sound, {speed:.0f} × real time[/]")
    for indexed in summary.failed:
        output.print(f"  [red]{indexed.state}[/] {_describe(indexed)}", soft_wrap=True)
    if summary.done < summary.files:
        output.print("The rest was not finished; run the same again and it goes on from here.")


def _describe(indexed: Indexed) -> str:
    return f"{escape(str(indexed.path))}: {escape(indexed.why)}"
