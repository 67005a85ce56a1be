"""`sonicgen export` and `import`: the index as one file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from sonicgen.cli.connect import connected
from sonicgen.cli.console import errors, escape, output, print_json


def export_to(
    file: Annotated[Path, typer.Argument(help="The file to write; .tar says best what it is.", show_default=False)],
    voices: Annotated[
        bool, typer.Option("--voices", help="Also speakers, their names and voiceprints: personal data.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Write the index to a file, as it is at one moment, while everything goes on. Sound is not in it."""
    from sonicgen.steps.move_index import export_index

    started = time.monotonic()
    with connected() as services, errors.status("Exporting…", spinner="dots") as status:
        done = export_index(services, file, with_voices=voices, say=lambda what: status.update(f"Exporting {what}…"))
    if json:
        tables = {name: total.to_json() for name, total in done.tables.items()}
        print_json({"file": str(done.path), "bytes": done.size_bytes, "tables": tables})
        return
    rows = {name: done.tables[name].rows for name in ("videos", "matches", "utterances")}
    output.print(
        f"{escape(str(done.path))}: {done.size_bytes / 1e6:.1f} MB in {time.monotonic() - started:.1f} s: "
        f"{rows['videos']:,} recordings, {rows['matches']:,} matches, {rows['utterances']:,} lines"
        f"{'' if voices else ', no voices (--voices)'}",
        soft_wrap=True,
    )


def import_from(
    file: Annotated[Path, typer.Argument(help="A file that `sonicgen export` wrote.", show_default=False)],
    replace: Annotated[bool, typer.Option("--replace", help="What differs here becomes what the archive has.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Take in an export: all of it or nothing. What is here already, and the same, is left alone."""
    from sonicgen.steps.move_index import import_index

    started = time.monotonic()
    with connected() as services, errors.status("Importing…", spinner="dots") as status:
        taken = import_index(services, file, replace=replace, say=lambda what: status.update(f"Importing: {what}…"))
    if json:
        print_json({name: {"added": one.added, "known": one.known} for name, one in taken.items()})
        return
    videos = taken["videos"]
    output.print(
        f"{videos.added:,} recordings taken in, {videos.known:,} were here, in {time.monotonic() - started:.1f} s",
        soft_wrap=True,
    )
