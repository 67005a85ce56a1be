"""`sonicgen find`: where is this clip from?"""

from __future__ import annotations

import json as json_format
import sys
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from sonicgen.cli.connect import connected
from sonicgen.cli.console import clock, errors, escape, output, print_json
from sonicgen.cli.links import is_link
from sonicgen.domain.match import Decision
from sonicgen.errors import InputError, SettingsError

if TYPE_CHECKING:
    from sonicgen.steps.find_clip import Answer
    from sonicgen.steps.services import Services

# What --explain writes, by the end of the name.
EXPLANATION_SUFFIXES = (".json", ".png")


def find(
    clip: Annotated[
        str,
        typer.Argument(
            help="A file that ffmpeg reads, a link to one, or - for a stream on standard input.", show_default=False
        ),
    ],
    json: Annotated[bool, typer.Option("--json", help="Print the documented JSON form.")] = False,
    explain: Annotated[
        list[Path] | None,
        typer.Option(help="Write what the answer rests on: a .png or a .json; may be repeated.", show_default=False),
    ] = None,
) -> None:
    """Say which recordings a clip is from, and the second. Nothing is stored."""
    if clip == "-":
        if explain:
            raise InputError("A stream is not kept, so --explain needs a file.")
        listen(json)
        return
    if not is_link(clip) and not Path(clip).is_file():
        raise InputError(f"{clip} is not a file.")
    check_targets(explain or [])
    with connected() as services, output.status("Listening…", spinner="dots") as status:
        from sonicgen.steps.fetch_link import fetched
        from sonicgen.steps.find_clip import find_clip

        if json:
            status.stop()
        with fetched(services, clip) if is_link(clip) else nullcontext(Path(clip)) as file:
            answer = find_clip(services, file)
            if explain or services.settings.match_policy != "chance":
                answer = explain_to(services, file, answer, explain or [])
    if json:
        print_json(answer.to_json())
    else:
        print_answer(answer)
    if not any(found.match.decision is Decision.MATCH for found in answer.found):
        raise typer.Exit(1)


def listen(json: bool) -> None:
    """Find a stream on standard input: looks after 3, 5, 8 and 10 s and stops at the first sure answer."""
    if sys.stdin.isatty():
        raise InputError("Nothing comes in on standard input; for example: ffmpeg -i URL -f wav - | sonicgen find -")
    with connected() as services, output.status("Listening…", spinner="dots") as status:
        from sonicgen.steps.find_clip import find_live

        if json:
            status.stop()
        answer = None
        for answer in find_live(services, sys.stdin.buffer, "-"):
            status.update(f"Listening, {answer.seconds:.0f} s so far…")
    if answer is None:
        raise InputError("The stream held no sound.")
    if json:
        print_json(answer.to_json())
    else:
        print_answer(answer)
    if not any(found.match.decision is Decision.MATCH for found in answer.found):
        raise typer.Exit(1)


def check_targets(paths: list[Path]) -> None:
    """Raise InputError or SettingsError for what could not be written, before any work is done."""
    for path in paths:
        if path.suffix.lower() not in EXPLANATION_SUFFIXES:
            raise InputError(f"{path} is neither a .png nor a .json, which is what --explain writes.")
        if not path.parent.is_dir():
            raise InputError(f"{path} cannot be written: there is no folder {path.parent}.")
        if path.suffix.lower() == ".png" and find_spec("matplotlib") is None:
            raise SettingsError(
                "A picture needs matplotlib, which is not installed: pip install 'matplotlib>=3.11,<4', or ask for "
                "a .json."
            )


def explain_to(services: Services, file: Path, answer: Answer, paths: list[Path]) -> Answer:
    """Write what an answer rests on to each path; return the answer by the policy that is set.

    The picture shows the best match; without any there is none. Raises InputError when a file cannot be written.
    """
    from sonicgen.steps.explain_match import explain_answer

    explained = explain_answer(services, file, answer)
    for path in paths:
        try:
            if path.suffix.lower() == ".json":
                path.write_text(json_format.dumps(explained.to_json(), ensure_ascii=False, indent=1) + "\n")
            elif explained.matches:
                from sonicgen.cli.explanation import save_picture

                save_picture(path, file, explained)
            else:
                errors.print(f"[dim]No match, so no picture: {escape(str(path))} was not written.[/]")
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}.") from error
    return explained.answer


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
