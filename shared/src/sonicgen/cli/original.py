"""`sonicgen original`: whose copy a recording is, why, and a person's word on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sonicgen.cli.catalogue import AsJson, Identifier
from sonicgen.cli.connect import connected
from sonicgen.cli.console import clock, escape, output, print_json, read_clock
from sonicgen.errors import InputError

if TYPE_CHECKING:
    from sonicgen.steps.editions import TimeMap
    from sonicgen.steps.set_origin import Origin


def original(
    identifier: Identifier,
    of: Annotated[str | None, typer.Option("--of", metavar="ID", help="It is a copy of this recording.")] = None,
    none: Annotated[bool, typer.Option("--none", help="It is an original itself.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back what a person decided.")] = False,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="Say where this moment (12:34) of it lies in other editions."),
    ] = None,
    edition: Annotated[str | None, typer.Option("--in", metavar="ID", help="With --at: in this edition only.")] = None,
    json: AsJson = False,
) -> None:
    """Say whose copy a recording is and why, or decide it yourself; or where a moment of it is in other editions."""
    from sonicgen.steps.set_origin import origin_of, set_copy, set_original, undo_origin
    from sonicgen.store import recordings

    if sum((of is not None, none, undo)) > 1:
        raise InputError("Only one of --of, --none and --undo can be true.")
    if at is not None:
        if of is not None or none or undo:
            raise InputError("--at only asks; leave --of, --none and --undo away.")
        _tell_moment(identifier, read_clock(at), edition, json)
        return
    if edition is not None:
        raise InputError("--in needs --at, the moment to look for.")
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


def _tell_moment(identifier: str, seconds: float, edition: str | None, json: bool) -> None:
    """Say where a moment of a recording lies: in its original, in each of an original's copies, or in the one named."""
    from sonicgen.steps.editions import check_second, editions_of, time_map
    from sonicgen.store import recordings

    with connected() as services:
        recording = recordings.get_by_prefix(services.database, identifier)
        check_second(recording, seconds)
        if edition is None:
            maps = editions_of(services, recording)
        else:
            maps = [time_map(services, recording, recordings.get_by_prefix(services.database, edition))]
    if json:
        print_json([one.to_json(seconds) for one in maps])
        return
    if not maps:
        output.print(f"No other edition of [bold]{escape(recording.title)}[/] is known.")
    for one in maps:
        print_moment(one, seconds)


def print_moment(one: TimeMap, seconds: float) -> None:
    """Print where a moment lies in another edition, or that it is not there and when that goes on."""
    title, there, resumes = escape(one.other.title), one.at(seconds), one.resumes_at(seconds)
    if there is not None:
        output.print(f"{clock(seconds)} is [bold]{clock(there)}[/] in [bold]{title}[/].")
    elif resumes is not None:
        goes_on = one.at(resumes)
        output.print(
            f"{clock(seconds)} is not in [bold]{title}[/], "
            f"which goes on at {clock(goes_on)} with what is here at {clock(resumes)}."
        )
    else:
        output.print(f"{clock(seconds)} is not in [bold]{title}[/].")


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
