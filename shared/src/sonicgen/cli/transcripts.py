"""`sonicgen transcript` and `edit`: read what was said, and put it right."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from sonicgen.cli.catalogue import AsJson, Identifier
from sonicgen.cli.connect import connected
from sonicgen.cli.console import clock, errors, escape, output, print_json
from sonicgen.errors import InputError

if TYPE_CHECKING:
    from sonicgen.domain.recording import Recording
    from sonicgen.domain.transcript import Transcript, Utterance
    from sonicgen.steps.services import Services
    from sonicgen.store.edits import StoredEdit


def transcript(
    identifier: Identifier,
    form: Annotated[
        str | None, typer.Option("--format", help="srt, vtt, txt, json or rttm; the ending of --out unless given.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write to this file.", show_default=False)] = None,
) -> None:
    """Print a recording's transcript, with the number of each line, or write it in a format for other programs."""
    from sonicgen.steps.export_transcript import export_transcript, read_format, read_transcript
    from sonicgen.store import recordings

    name = form if form is not None else out.suffix.removeprefix(".") if out is not None else None
    wanted = None if name is None else read_format(name)
    with connected() as services:
        recording = recordings.get_by_prefix(services.database, identifier)
        if wanted is None:
            print_transcript(recording, *read_transcript(services, recording))
            return
        text = export_transcript(services, recording, wanted)
    if out is None:
        output.out(text, end="", highlight=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}.") from error
    errors.print(f"[dim]{escape(str(out))} written[/]", soft_wrap=True)


def edit(
    identifier: Identifier,
    line: Annotated[
        int | None, typer.Argument(min=0, help="The line's number, as `transcript` shows it.", show_default=False)
    ] = None,
    text: Annotated[str | None, typer.Option(help="What is said there.", show_default=False)] = None,
    speaker: Annotated[
        str | None, typer.Option(help='Who says it: a label, a name, a new name; "" for unknown.', show_default=False)
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take back the line's latest change.")] = False,
    history: Annotated[bool, typer.Option("--history", help="List the changes of the line, or of all lines.")] = False,
    json: AsJson = False,
) -> None:
    """Change a line's text or speaker; every change is kept and can be undone."""
    from sonicgen.steps.edit_utterance import history_of
    from sonicgen.store import recordings

    is_change = text is not None or speaker is not None
    if (is_change, undo, history).count(True) != 1:
        raise InputError("Say what to do: --text or --speaker (or both), --undo, or --history.")
    if line is None and not history:
        raise InputError("Name the line by its number; `sonicgen transcript ID` shows it.")
    with connected() as services:
        recording = recordings.get_by_prefix(services.database, identifier)
        if history or line is None:
            edits = history_of(services, recording, line)
            print_json([one.to_json() for one in edits]) if json else print_history(edits)
            return
        changed = _change(services, recording, line, text, speaker)
    if json:
        print_json(_line_json(line, changed))
    else:
        output.print(_line_text(line, changed), soft_wrap=True)


def print_transcript(recording: Recording, found: Transcript, lines: list[Utterance]) -> None:
    """Print a transcript for people."""
    output.print(f"[bold]{escape(recording.title)}[/]  [dim]{recording.id}[/]", soft_wrap=True)
    if not lines:
        output.print(f"  {escape(found.explain())}")
        return
    for position, line in enumerate(lines):
        output.print(_line_text(position, line), soft_wrap=True)


def print_history(edits: list[StoredEdit]) -> None:
    """Print changes for people."""
    if not edits:
        output.print("Nothing was changed.")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("line", "when", "who", "from", "to", ""):
        table.add_column(heading, overflow="fold")
    for one in edits:
        told = one.to_json()
        before, after = (_content(told[side]) for side in ("before", "after"))
        table.add_row(
            "–" if one.position is None else str(one.position),
            f"{one.edited_at:%Y-%m-%d %H:%M}",
            escape(one.edited_by),
            escape(before),
            escape(after),
            "[dim]undone[/]" if one.undone_at else "" if one.position is not None else "[dim]line gone[/]",
        )
    output.print(table)


def _change(services: Services, recording: Recording, line: int, text: str | None, speaker: str | None) -> Utterance:
    """Carry out what was asked for, an undo when neither text nor speaker is given; return the line."""
    from sonicgen.steps.edit_utterance import edit_speaker, edit_text, undo_edit

    by = user_name()
    changed = None
    if text is not None:
        changed = edit_text(services, recording, line, text, edited_by=by)
    if speaker is not None:
        changed = edit_speaker(services, recording, line, speaker, edited_by=by)
    return changed or undo_edit(services, recording, line)


def user_name() -> str:
    """Return who works here, for the record of what they decide."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a process whose user has no name
        return "somebody"


def _content(columns: object) -> str:
    values = columns if isinstance(columns, dict) else {}
    if "text" in values:
        return str(values["text"])
    return str(values.get("speaker_name") or values.get("speaker") or "nobody")


def _line_text(position: int, line: Utterance) -> str:
    from sonicgen.steps.export_transcript import display_name

    name = display_name(line)
    who = f"[cyan]{escape(name)}:[/] " if name else ""
    return f"[dim]{position:>4}  {clock(line.start_seconds):>9}[/]  {who}{escape(line.text)}"


def _line_json(position: int, line: Utterance) -> dict[str, object]:
    return {
        "position": position,
        "start_seconds": round(line.start_seconds, 3),
        "end_seconds": round(line.end_seconds, 3),
        "speaker": line.speaker,
        "speaker_name": line.speaker_name,
        "text": line.text,
    }
