"""`sonicgen transcribe`: ask again for transcripts that came to nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from sonicgen.cli.connect import connected
from sonicgen.cli.console import escape, output
from sonicgen.domain.transcript import TranscriptState


def transcribe(
    identifiers: Annotated[list[str], typer.Argument(metavar="ID…", help="Recordings' ids or their beginnings.")],
) -> None:
    """Ask again for transcripts that failed, were skipped or were over the budget; what is paid for is kept."""
    from sonicgen.steps import transcription_submit
    from sonicgen.store import recordings

    failed = False
    with connected() as services:
        for identifier in identifiers:
            recording = recordings.get_by_prefix(services.database, identifier)
            transcript = transcription_submit.transcribe(services, recording.id)
            told = transcript.explain() if transcript else "It holds no sound that is transcribed."
            state = str(transcript.state) if transcript else "none"
            output.print(f"{str(recording.id)[:8]}  {escape(recording.title)}: {state}  [dim]{escape(told)}[/]")
            failed |= transcript is None or transcript.state in {TranscriptState.FAILED, TranscriptState.SKIPPED}
    if failed:
        raise typer.Exit(3)
