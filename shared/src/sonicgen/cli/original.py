"""`sonicgen original`: whose copy a recording is, why, and a person's word on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, cast

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
        print_json(origin_json(told))
        return
    if of is not None or none or undo:
        output.print(f"{escape(recording.title)}: noted. What has to change is being read anew.")
    else:
        print_origin(told)


def origin_json(origin: Origin) -> dict[str, object]:
    """Return the documented JSON form (docs/api.md)."""
    decision = origin.decision
    return {
        "recording_id": str(origin.recording.id),
        "original_video_id": str(origin.original.id) if origin.original else None,
        "decided_by": decision.decided_by if decision else None,
        "decided_at": decision.made_at.isoformat() if decision else None,
        **{name: (decision.thresholds.get(name) if decision else None) for name in ("probability", "evidence")},
    }


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
    for reason in reasons(origin):
        output.print(f"  {reason['weight']:+.1f}  {escape(str(reason['text']))}")
    if reasons(origin):
        output.print("  [dim]“It” is the original, “the other” the copy; the weights are log-odds.[/]")


def reasons(origin: Origin) -> Sequence[Mapping[str, object]]:
    """Return the evidence of a decision that was made by evidence."""
    found = origin.decision.thresholds.get("evidence") if origin.decision else None
    return cast("Sequence[Mapping[str, object]]", found or [])


def _how_sure(origin: Origin) -> str:
    probability = origin.decision.thresholds.get("probability") if origin.decision else None
    return f"({probability:.1%})" if isinstance(probability, float) else ""
