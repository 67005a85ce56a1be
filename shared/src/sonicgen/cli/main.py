"""The command `sonicgen`.

Exit codes: 0 found or done, 1 not found, 2 wrong usage or input, 3 a failure, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from sonicgen import __version__
from sonicgen.cli import (
    add,
    archive,
    backfill,
    care,
    catalogue,
    costs,
    find,
    fingerprint,
    index,
    ingest,
    keys,
    label,
    original,
    retry,
    search,
    speakers,
    transcribe,
    transcripts,
    up,
    voices,
)
from sonicgen.cli.console import errors
from sonicgen.errors import SonicGenError

app = typer.Typer(
    name="sonicgen",
    help="Says where any recording comes from, to the second.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("up")(up.up)
app.command("demo")(up.demo)
app.command("add")(add.add)
app.command("index")(index.index)
app.command("backfill")(backfill.backfill)
app.command("find")(find.find)
app.command("ingest")(ingest.ingest)
app.command("sources")(ingest.sources)
app.command("search")(search.search)
app.command("transcript")(transcripts.transcript)
app.command("edit")(transcripts.edit)
app.command("label")(label.label)
app.add_typer(speakers.app, name="speakers")
app.command("list")(catalogue.list_recordings)
app.command("show")(catalogue.show)
app.command("original")(original.original)
app.command("costs")(costs.costs)
app.command("transcribe")(transcribe.transcribe)
app.command("forget")(catalogue.forget)
app.command("doctor")(care.doctor)
app.command("replay")(care.replay)
app.command("retry")(retry.retry)
app.command("migrate")(care.migrate)
app.command("pack")(care.pack)
app.command("export")(archive.export_to)
app.command("import")(archive.import_from)
app.command("fingerprint")(fingerprint.fingerprint)
app.add_typer(keys.app, name="keys")
app.add_typer(voices.app)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    data: Annotated[
        Path | None, typer.Option(help="The data folder of the embedded cloud; ./data unless SONICGEN_DATA says else.")
    ] = None,
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Options that every command takes, before its name."""
    if data is not None:
        os.environ["SONICGEN_DATA"] = str(data)


def main() -> None:
    """Run the command line; every error that SonicGen can explain becomes one sentence and an exit code."""
    try:
        app()
    except SonicGenError as error:
        errors.print(f"[bold red]Error:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
