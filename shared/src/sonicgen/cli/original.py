"""`sonicgen original`: whose copy a recording is, why, and a person's word on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sonicgen.cli.catalogue import AsJson, Identifier
from sonicgen.cli.connect import connected
from sonicgen.cli.console import escape, output, print_json
from sonicgen.errors import InputError

if TYPE_CHECKING:
    from sonicgen.steps.set_origin import Origin


def original(
    identifier: Identifier,
    of: Annotated[str | None, typer.Option("--of", metavar="ID", help="It is a copy of this recording.")] = None,
    none: Annotated[bool, typer.Option("--none", help="It is an original itself.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back what a person decided.")] = False,
    json: AsJson = False,
) -> None:
    """Say whose copy a recording is and why, or decide it yourself."""
    from sonicgen.steps.set_origin import origin_of, set_copy, set_original, undo_origin
    from sonicgen.store import recordings

    if sum((of is not None, none, undo)) > 1:
        raise InputError("Only one of --of, --none and --undo can be true.")
    with connected() as services:
        recording = recordings.get_by_prefix(services.database, identifier)
        if of is not None:
            set_copy(services, recording, recordings.get_by_prefix(services.database, of))
        elif none:
            set_original(services, recording)
        elif undo:
            undo_origin(services, recording)
        told = origin_of(services, recordings.get(services.database, recording.id))
    if json:
        print_json(told.to_json())
        return
    if of is not None or none or undo:
        output.print(f"{escape(recording.title)}: noted. What has to change is being read anew.")
    else:
        print_origin(told)


def print_origin(origin: Origin) -> None:
    """Print whose copy a recording is, and why."""
    title = escape(origin.recording.title)
    if origin.original is None:
        output.print(f"[bold]{title}[/] is an original.")
    else:
        output.print(f"[bold]{title}[/] is a copy of [bold]{escape(origin.original.title)}[/]. {_how_sure(origin)}")
    if origin.decision is None:
        return
    if origin.decision.decided_by == "person":
        output.print("  A person decided it; sonicgen original ID --undo takes it back.")
    for reason in origin.reasons:
        output.print(f"  {reason['weight']:+.1f}  {escape(str(reason['text']))}")
    if origin.reasons:
        output.print("  [dim]“It” is the original, “the other” the copy; the weights are log-odds.[/]")


def _how_sure(origin: Origin) -> str:
    return "" if origin.probability is None else f"({origin.probability:.1%})"
