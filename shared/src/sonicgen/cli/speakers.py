"""`sonicgen speakers`: who is known, merge, split, rename, undo, enroll, forget."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.table import Table

from sonicgen.cli.catalogue import AsJson
from sonicgen.cli.connect import connected
from sonicgen.cli.console import clock, errors, escape, output, print_json
from sonicgen.cli.label import describe, save_clips
from sonicgen.cli.transcripts import user_name
from sonicgen.errors import InputError

if TYPE_CHECKING:
    from sonicgen.steps.change_speakers import Changed
    from sonicgen.steps.services import Services
    from sonicgen.store.enrolments import Enrolment

app = typer.Typer(help="Who is known, and what is kept of them.", no_args_is_help=False, invoke_without_command=True)
Who = Annotated[str, typer.Argument(metavar="SPEAKER", help='A name, "voice 12", or an id.', show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.callback()
def speakers(context: typer.Context) -> None:
    """Who is known, and what is kept of them. Without a command: list everybody."""
    if context.invoked_subcommand is None:
        list_speakers()


@app.command("list")
def list_speakers(
    unknown: Annotated[bool, typer.Option("--unknown", help="Only voices that have no name.")] = False,
    json: AsJson = False,
) -> None:
    """List people and unknown voices."""
    from sonicgen.steps.label_voices import overview_json
    from sonicgen.store import speakers as store

    with connected() as services:
        page, _ = store.list_page(services.database, is_known=False if unknown else None)
    page = [each for each in page if each.voices or each.speaker.is_known]
    if json:
        print_json([overview_json(each) for each in page])
        return
    if not page:
        output.print("Nobody yet. Voices come with transcripts; people with [bold]sonicgen speakers enroll[/].")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("id", "who", "speech", "recordings", ""):
        table.add_column(heading, overflow="ellipsis", no_wrap=True)
    for each in page:
        notes = [*(["enrolled"] if each.is_enrolled else []), *(["consent"] if each.has_consent else [])]
        style = "bold" if each.speaker.is_known else "dim"
        table.add_row(
            str(each.speaker.id)[:8], f"[{style}]{escape(each.speaker.title)}[/]", clock(each.seconds),
            str(each.recordings), f"[dim]{', '.join(notes)}[/]",
        )  # fmt: skip
    output.print(table)


@app.command("show")
def show(
    who: Who,
    clips: Annotated[Path | None, typer.Option(help="Write clips into this folder.", show_default=False)] = None,
    json: AsJson = False,
) -> None:
    """Show one speaker: other names, consent, where they are heard and how sure that is."""
    from sonicgen.steps.show_speaker import show_speaker

    with connected() as services:
        voice = describe(services, who)
        told = show_speaker(services, voice.overview.speaker.id)
        written = save_clips(services, voice, clips) if clips else []
    if json:
        print_json({**told, "files": [str(path) for path in written]})
        return
    output.print(f"[bold]{escape(voice.overview.speaker.title)}[/]  [dim]{voice.overview.speaker.id}[/]")
    for alias in told["aliases"]:
        output.print(f"  also called {escape(alias)}")
    for consent in told["consents"]:
        output.print(
            f"  consent by {escape(consent['given_by'])} on {consent['given_at'][:10]}: {escape(consent['purpose'])}"
        )
    for each in told["appearances"]:
        sure = "confirmed" if each["is_confirmed"] else each["outcome"] or "–"
        if each["probability"] is not None and not each["is_confirmed"]:
            sure += f" {each['probability']:.3f}"
        output.print(
            f"  {escape(each['title'])} [dim]{each['recording'][:8]}[/], speaker {escape(each['label'])}: "
            f"{clock(each['speech_seconds'])} [dim]({sure}; voice id {each['voice'][:8]})[/]",
            soft_wrap=True,
        )
    for path in written:
        output.print(f"  {escape(str(path))}", soft_wrap=True)


@app.command("merge")
def merge(
    who: Annotated[list[str], typer.Argument(metavar="SPEAKER...", help="Whoever is one person; the first one stays.")],
    json: AsJson = False,
) -> None:
    """Make several speakers one. The names of the others become other names of the first."""
    from sonicgen.steps.change_speakers import merge_speakers

    with connected() as services:
        into, *others = [_resolve(services, each) for each in who]
        _print_change(merge_speakers(services, others, into, by=user_name()), json)


@app.command("split")
def split(
    who: Who,
    voice: Annotated[
        list[str], typer.Argument(metavar="VOICE...", help="Ids of voices, as `speakers show` lists them.")
    ],
    name: Annotated[str | None, typer.Option(help="Whose they are.", show_default=False)] = None,
    json: AsJson = False,
) -> None:
    """Take voices away from a speaker: they are somebody else."""
    from sonicgen.steps.change_speakers import split_speaker
    from sonicgen.steps.show_speaker import find_voices

    with connected() as services:
        speaker_id = _resolve(services, who)
        ids = find_voices(services, speaker_id, voice)
        _print_change(split_speaker(services, speaker_id, ids, name, by=user_name()), json)


@app.command("rename")
def rename(who: Who, name: Annotated[str, typer.Argument(help="The new name.")], json: AsJson = False) -> None:
    """Give a speaker another name, in all recordings."""
    from sonicgen.steps.change_speakers import name_speaker

    with connected() as services:
        _print_change(name_speaker(services, _resolve(services, who), name, by=user_name()), json)


@app.command("alias")
def alias(
    who: Who,
    other: Annotated[str, typer.Argument(metavar="NAME", help="Another name.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take it away.")] = False,
    json: AsJson = False,
) -> None:
    """Give a person another name by which they are found too."""
    from sonicgen.steps.change_speakers import add_alias, remove_alias

    with connected() as services:
        act = remove_alias if remove else add_alias
        _print_change(act(services, _resolve(services, who), other, by=user_name()), json)


@app.command("history")
def history(
    who: Annotated[str | None, typer.Argument(metavar="SPEAKER", show_default=False)] = None, json: AsJson = False
) -> None:
    """List what was decided about speakers, newest first."""
    from sonicgen.store import changes

    with connected() as services:
        found = changes.history(services.database, None if who is None else _resolve(services, who))
    told = [
        {"decision": str(each.decision_id), "kind": each.kind, "by": each.decided_by,
         "at": each.made_at.isoformat(), "undone_at": each.undone_at.isoformat() if each.undone_at else None}
        for each in found
    ]  # fmt: skip
    if json:
        print_json(told)
        return
    for each in told:
        undone = "  [dim]undone[/]" if each["undone_at"] else ""
        output.print(
            f"[dim]{each['decision']}  {str(each['at'])[:16]}[/]  {each['kind']} by {escape(str(each['by']))}{undone}"
        )


@app.command("undo")
def undo(
    decision: Annotated[
        str | None, typer.Argument(help="Its id, as `history` lists it; the latest.", show_default=False)
    ] = None,
    json: AsJson = False,
) -> None:
    """Take back a change: a name, a merge, a split, what was recognised."""
    from sonicgen.steps.change_speakers import undo_change

    with connected() as services:
        done = undo_change(services, _read_id(decision) if decision else None, by=user_name())
    if json:
        print_json({"decision": str(done.decision_id), "kind": done.kind})
    else:
        output.print(f"Undone: {done.kind}")


@app.command("enroll")
def enroll(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", exists=True, dir_okay=False, help="Their voice alone.")
    ],
    name: Annotated[str, typer.Option(help="The person's name.")],
    consent_by: Annotated[str, typer.Option(help="Who agreed: the person, or who may speak for them.")],
    purpose: Annotated[str, typer.Option(help="To what.")],
    consent_date: Annotated[datetime | None, typer.Option(help="When; today.", show_default=False)] = None,
    same_person: Annotated[bool, typer.Option("--same-person", help="Add to whoever has the name already.")] = False,
    json: AsJson = False,
) -> None:
    """Enrol a person with samples of their voice; past and future recordings then have their name."""
    from sonicgen.domain.speaker import EnrolmentState
    from sonicgen.steps.enrol_speaker import ConsentGiven, enrol_speaker

    given_at = consent_date.replace(tzinfo=consent_date.tzinfo or UTC) if consent_date else datetime.now(UTC)
    with connected() as services:
        done = enrol_speaker(
            services, name, [(path, path.name) for path in files], ConsentGiven(consent_by, purpose, given_at),
            by=user_name(), is_same_person=same_person,
        )  # fmt: skip
    print_json(done.to_json()) if json else _print_enrolment(done)
    if done.state is not EnrolmentState.ENROLLED:
        raise typer.Exit(2)


@app.command("forget")
def forget(who: Who, yes: Yes = False, json: AsJson = False) -> None:
    """Remove a person's vectors, clips and names everywhere, then look whether anything is left."""
    from sonicgen.steps.forget_speaker import forget_speaker
    from sonicgen.store import speakers as store

    with connected() as services:
        with services.database.transaction() as connection:
            speaker = store.resolve(connection, who)
        if not yes:
            typer.confirm(f"Forget {speaker.title} ({speaker.id}) for good?", abort=True)
        done = forget_speaker(services, speaker, by=user_name())
    if json:
        print_json(done.to_json())
    else:
        removed = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in done.removed.items())
        output.print(f"Forgotten: {removed}.")
        left = done.traces
        if left.is_clean:
            output.print("Looked for in the database, the bucket and the vector index: [green]nothing is left[/].")
        else:
            output.print(f"[red]Left:[/] {escape(str(left.to_json()))}")
        if any(left.mentions.values()):
            output.print(
                f"[dim]The name is still in {left.mentions['lines']} lines and {left.mentions['titles']} titles.[/]"
            )
    if not done.traces.is_clean:
        raise typer.Exit(3)


@app.command("import")
def import_map(
    path: Annotated[Path, typer.Argument(metavar="MAP", exists=True, dir_okay=False, help="A speaker_map.json.")],
    json: AsJson = False,
) -> None:
    """Take over names from a speaker_map.json of the older system."""
    from sonicgen.steps.import_speaker_map import import_speaker_map

    with connected() as services:
        done = import_speaker_map(services, path, by=user_name())
    if json:
        print_json(done.to_json())
        return
    output.print(f"{done.named} voices named.")
    for each in done.problems:
        errors.print(f"  [dim]{escape(each)}[/]", soft_wrap=True)


def _resolve(services: Services, text: str) -> UUID:
    from sonicgen.store import speakers as store

    with services.database.transaction() as connection:
        return store.resolve(connection, text).id


def _read_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise InputError(f"{text} is no id; `sonicgen speakers history` lists them.") from error


def _print_change(done: Changed, json: bool) -> None:
    if json:
        print_json(done.to_json())
        return
    output.print(f"[green]{escape(done.speaker.title)}[/]: names are new in {done.recordings} recordings")
    output.print(f"[dim]sonicgen speakers undo {done.decision_id}[/]", soft_wrap=True)


def _print_enrolment(done: Enrolment) -> None:
    output.print(f"{escape(done.name)}: [bold]{done.state}[/]  {escape(done.explain())}")
    for sample in done.samples:
        mark = "[green]ok[/]" if sample.reason is None else "[red]no[/]"
        output.print(f"  {mark} {escape(sample.file_name)}: {escape(sample.explain())}", soft_wrap=True)
