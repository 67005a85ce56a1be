"""`sonicgen list`, `show` and `forget`: what is known."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from sonicgen.cli.add import STYLES
from sonicgen.cli.connect import connected
from sonicgen.cli.console import clock, errors, escape, output, print_json
from sonicgen.cli.links import explain_download
from sonicgen.domain.recording import MatchStatus, Recording
from sonicgen.steps.representation import download_json, recording_json

Identifier = Annotated[str, typer.Argument(metavar="ID", help="A recording's id or its beginning.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print the documented JSON form.")]


def list_recordings(
    status: Annotated[MatchStatus | None, typer.Option(help="Only recordings in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, newest first.")] = 50,
    json: AsJson = False,
) -> None:
    """List recordings, newest first."""
    from sonicgen.store import downloads, recordings

    with connected() as services:
        page = recordings.list_page(services.database, status=status, limit=limit)
        unclaimed = [recording.id for recording in page.recordings if recording.match_status is None]
        under_way = downloads.of_videos(services.database, unclaimed)
        counts = recordings.counts_by_status(services.database)
    if json:
        print_json([recording_json(recording) for recording in page.recordings])
        return
    if not page.recordings:
        output.print("Nothing here yet. Add a recording: [bold]sonicgen add FILE[/]")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("id", "state", "length", "title", "why"):
        table.add_column(heading, overflow="ellipsis", no_wrap=heading != "why")
    for recording in page.recordings:
        download = under_way.get(recording.id)
        state = recording.match_status or (download.state if download else "waiting")
        why = explain_download(download) if download else recording.explain()
        table.add_row(
            str(recording.id)[:8],
            f"[{STYLES[recording.match_status]}]{state}[/]",
            clock(recording.duration_seconds),
            escape(recording.title),
            f"[dim]{escape(why)}[/]",
        )
    output.print(table)
    total = sum(counts.values())
    if total > len(page.recordings):
        errors.print(f"[dim]{len(page.recordings)} of {total}; more with --limit[/]")


def show(identifier: Identifier, json: AsJson = False) -> None:
    """Show one recording: its state, what it is a copy of, its matches and its copies."""
    from sonicgen.steps.explain_match import shared_segments_of
    from sonicgen.store import downloads, matches, recordings

    with connected() as services:
        recording = recordings.get_by_prefix(services.database, identifier)
        shared = shared_segments_of(services, recording)
        ranges = matches.of(services.database, recording.id)
        copies = recordings.copies_of(services.database, recording.id)
        download = downloads.find(services.database, recording.id)
        titles = {r: recordings.get(services.database, r).title for r in {m.reference_id for m in ranges}}
    if json:
        print_json(
            {
                **recording_json(recording),
                **download_json(download),
                "matches": [match.to_json() for match in ranges],
                "copies": [recording_json(copy) for copy in copies],
                "shared_segments": [segment.to_json() for segment in shared],
            }
        )
        return
    _print_recording(recording)
    if download is not None:
        output.print(f"  download {download.state}: {escape(explain_download(download))}", soft_wrap=True)
    for match in ranges:
        output.print(
            f"  {clock(match.query_start_seconds)}–{clock(match.query_end_seconds)} is in "
            f"[bold]{escape(titles[match.reference_id])}[/] [dim]{str(match.reference_id)[:8]}[/] from "
            f"{clock(match.reference_start_seconds)}, speed {match.speed:.3f}, {match.decision}"
        )
    for segment in shared:
        output.print(
            f"  {clock(segment.start_seconds)}–{clock(segment.end_seconds)} is shared material, "
            f"also in {segment.count} other recordings"
        )
    for copy in copies:
        output.print(f"  copy: {escape(copy.title)} [dim]{str(copy.id)[:8]}[/]")


def _print_recording(recording: Recording) -> None:
    style = STYLES[recording.match_status]
    output.print(f"[bold]{escape(recording.title)}[/]  [dim]{recording.id}[/]")
    output.print(f"  [{style}]{recording.match_status or 'waiting'}[/]: {escape(recording.explain())}")
    size = f"{recording.size_bytes:,} bytes" if recording.is_stored else "no bytes yet"
    output.print(f"  length {clock(recording.duration_seconds)}, {size}, tries: {recording.attempts}")
    for place in filter(None, (recording.source_uri, recording.published_uri)):
        output.print(f"  {escape(place)}", soft_wrap=True)
    if recording.original_video_id:
        output.print(
            f"  original: {recording.original_video_id} [dim](why: sonicgen original {str(recording.id)[:8]})[/]"
        )


def forget(
    identifier: Identifier,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a recording, its bytes and all that was derived from it; its copies are judged anew."""
    from sonicgen.steps.forget_recording import forget_recording
    from sonicgen.store import recordings

    with connected() as services:
        recording = recordings.get_by_prefix(services.database, identifier)
        if not yes:
            typer.confirm(f"Forget “{recording.title}” ({recording.id}) and its bytes for good?", abort=True)
        forgotten = forget_recording(services, recording)
    output.print(f"Forgotten: {escape(recording.title)}")
    for copy in forgotten.judged_anew:
        output.print(f"  judged anew: {escape(copy.title)} [dim]{str(copy.id)[:8]}[/]")
