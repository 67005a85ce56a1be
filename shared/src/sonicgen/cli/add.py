"""`sonicgen add`: upload recordings and follow each to its final state."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from sonicgen.cli.connect import connected
from sonicgen.cli.console import errors, escape, output, print_json
from sonicgen.cli.links import follow_links, is_link
from sonicgen.domain.recording import MatchStatus, Recording
from sonicgen.errors import InputError, SonicGenError
from sonicgen.steps.representation import download_json, recording_json

if TYPE_CHECKING:
    from sonicgen.steps.services import Services

_LOOK_SECONDS = 0.2
STYLES = {
    MatchStatus.FINGERPRINTED: "green",
    MatchStatus.MATCHED: "cyan",
    MatchStatus.TOO_SHORT: "yellow",
    MatchStatus.FLAG: "red",
    MatchStatus.PENDING: "blue",
    None: "dim",
}


def add(
    sources: Annotated[
        list[str], typer.Argument(help="Recordings: files, audio or video, or links to them.", show_default=False)
    ],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON list at the end instead of bars.")] = False,
) -> None:
    """Upload or download recordings and follow each to its final state. Ctrl-C stops the watching, not the work."""
    links = [source for source in sources if is_link(source)]
    files = [Path(source) for source in sources if not is_link(source)]
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise InputError(f"Not a file: {', '.join(missing)}.")
    with connected() as services:
        done = follow(services, files, quiet=json) if files else []
        followed = follow_links(services, links, quiet=json) if links else []
    if json:
        told = [recording_json(recording) for recording in done]
        print_json(told + [recording_json(each.recording) | download_json(each.download) for each in followed])
    is_bad = len(done) < len(files) or any(recording.match_status is MatchStatus.FLAG for recording in done)
    if is_bad or not all(each.is_good for each in followed):
        raise typer.Exit(3)


def follow(services: Services, files: list[Path], quiet: bool = False) -> list[Recording]:
    """Upload files and wait until each is final, with a bar a file; return the final recordings in their order.

    A file that cannot be uploaded is reported and left out.
    """
    from sonicgen.steps.add_recording import add_recording

    columns = (TextColumn("{task.fields[state]}"), BarColumn(bar_width=24), TimeElapsedColumn(), TextColumn("{task.description}"))  # fmt: skip  # noqa: E501
    with Progress(*columns, console=errors, disable=quiet) as progress:
        waiting: dict[UUID, TaskID] = {}
        order: list[UUID] = []
        for file in files:
            task = progress.add_task(escape(file.name), total=1.0, state="[blue]uploading     [/]")

            def moved(sent: int, size: int, task: TaskID = task) -> None:
                progress.update(task, completed=0.2 * sent / max(size, 1))

            try:
                added = add_recording(services.settings, file, moved)
            except SonicGenError as error:
                progress.update(
                    task, state="[red]not uploaded  [/]", description=f"{escape(file.name)}: {escape(str(error))}"
                )
                continue
            waiting[added.recording_id] = task
            order.append(added.recording_id)
        final = _wait(services, progress, waiting)
    if not quiet:
        for identifier in order:
            recording = final[identifier]
            output.print(
                f"[{STYLES[recording.match_status]}]{recording.match_status:<14}[/]"
                f"[dim]{str(recording.id)[:8]}[/]  {escape(recording.title)}  [dim]{escape(recording.explain())}[/]"
            )
    return [final[identifier] for identifier in order]


def _wait(services: Services, progress: Progress, waiting: dict[UUID, TaskID]) -> dict[UUID, Recording]:
    from sonicgen.cloud.documents import read_progress
    from sonicgen.store import recordings

    final: dict[UUID, Recording] = {}
    while len(final) < len(waiting):
        for identifier, task in waiting.items():
            if identifier in final:
                continue
            recording = recordings.find(services.database, identifier)
            status = recording.match_status if recording else None
            state = f"[{STYLES[status]}]{status or 'waiting':<14}[/]"
            if recording is not None and recording.is_final:
                final[identifier] = recording
                progress.update(task, completed=1.0, state=state)
                continue
            reported = read_progress(str(identifier)) if status is MatchStatus.PENDING else None
            fraction = reported.fraction if reported and reported.fraction is not None else 0.0
            progress.update(task, completed=0.2 + 0.75 * fraction, state=state)
        time.sleep(_LOOK_SECONDS)
    return final
