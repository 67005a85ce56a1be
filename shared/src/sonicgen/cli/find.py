"""`sonicgen find`: where is this clip from?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from sonicgen.cli.connect import connected
from sonicgen.cli.console import clock, escape, output, print_json
from sonicgen.domain.match import Decision
from sonicgen.errors import InputError

if TYPE_CHECKING:
    from sonicgen.steps.find_clip import Answer


def find(
    file: Annotated[Path, typer.Argument(help="The clip: anything that ffmpeg reads.", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="Print the documented JSON form.")] = False,
) -> None:
    """Say which recordings a clip is from, and the second. Nothing is stored."""
    if not file.is_file():
        raise InputError(f"{file} is not a file.")
    with connected() as services, output.status("Listening…", spinner="dots") as status:
        from sonicgen.steps.find_clip import find_clip

        if json:
            status.stop()
        answer = find_clip(services, file)
    if json:
        print_json(answer.to_json())
    else:
        print_answer(answer)
    if not any(found.match.decision is Decision.MATCH for found in answer.found):
        raise typer.Exit(1)


def print_answer(answer: Answer) -> None:
    """Print an answer for people."""
    if answer.truncated:
        output.print("[yellow]The clip ends early or is damaged; what could be decoded was searched.[/]")
    if not answer.found:
        output.print(f"Not found: no known recording holds these {answer.seconds:.1f} s ({answer.elapsed_ms:.0f} ms).")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("in the clip", "recording", "there", "speed", "pitch", "sure", ""):
        table.add_column(heading)
    for found in answer.found:
        match = found.match
        table.add_row(
            f"{clock(match.query_start_seconds)}–{clock(match.query_end_seconds)}",
            f"[bold]{escape(found.recording.title)}[/] [dim]{str(found.recording.id)[:8]}[/]",
            f"[bold]{clock(match.reference_start_seconds)}[/]–{clock(match.reference_end_seconds)}",
            f"{match.speed:.3f}",
            f"{match.pitch:.3f}",
            f"{match.probability:.4%}" if match.decision is Decision.MATCH else f"{match.probability:.0%}",
            "" if match.decision is Decision.MATCH else "[yellow]unsure[/]",
        )
    output.print(table)
    output.print(f"[dim]{answer.seconds:.1f} s searched in {answer.elapsed_ms:.0f} ms[/]")
