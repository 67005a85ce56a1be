"""`sonicgen voices`: how well people are told apart, and the index of their voices."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from sonicgen.cli.connect import connected
from sonicgen.cli.console import errors, escape, output, print_json
from sonicgen.errors import InputError, NotFoundError, SettingsError
from sonicgen.settings import read_settings

if TYPE_CHECKING:
    from sonicgen.steps.evaluate_voices import Evaluated
    from sonicgen.voices.evaluation import OpenSet

app = typer.Typer(name="voices", help="How well people are told apart by their voices.", no_args_is_help=True)

_MOST_SKIPPED = 5


@app.command("evaluate")
def evaluate(
    manifest: Annotated[Path, typer.Argument(help="A CSV file with the columns speaker and path.", show_default=False)],
    keep: Annotated[bool, typer.Option("--keep", help="Decide by the fitted calibration from now on.")] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the distributions of scores, as a .png.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the documented JSON form.")] = False,
) -> None:
    """Say how well the people of a list are told apart, and fit a calibration on them. Nothing is stored but that."""
    _check_picture(picture)
    from sonicgen.embedder.encoders.choose import load_encoder
    from sonicgen.steps.evaluate_voices import evaluate_voices, keep_calibration

    encoder = load_encoder(read_settings())
    with output.status("Listening…", spinner="dots") as status:
        if json:
            status.stop()
        found = evaluate_voices(
            encoder, manifest, lambda done, all_: status.update(f"Listening, {done} of {all_} recordings…")
        )
    if keep:
        with connected() as services:
            keep_calibration(services, found)
    if picture is not None:
        from sonicgen.cli.score_picture import save_picture

        save_picture(picture, found)
    if json:
        print_json(found.to_json())
    else:
        _print(found, keep)


@app.command("calibration")
def calibration(
    reset: Annotated[bool, typer.Option("--reset", help="Go back to the encoder's own.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the calibration that was fitted on one's own voices and kept."""
    from sonicgen.embedder.encoders.choose import load_encoder
    from sonicgen.store import calibrations

    model = load_encoder(read_settings()).model
    with connected() as services:
        stored = calibrations.get(services.database, model)
        if reset:
            calibrations.remove(services.database, model)
    if stored is None:
        raise NotFoundError(f"The encoder's own calibration of {model.key} decides; none was kept.")
    if json:
        figures = {"slope": stored.slope, "offset": stored.offset, "fitted_at": stored.fitted_at.isoformat()}
        print_json({"model": model.key, **figures, "figures": dict(stored.figures), "removed": reset})
    elif reset:
        output.print(f"The encoder's own calibration of {escape(model.key)} decides again.")
    else:
        output.print(
            f"{escape(model.key)}: log-odds = {stored.slope:.2f} × cosine {stored.offset:+.2f}, fitted "
            f"{stored.fitted_at:%Y-%m-%d %H:%M} UTC on {stored.figures.get('people')} people."
        )


@app.command("rebuild")
def rebuild() -> None:
    """Make all profiles anew from the vectors in Postgres, and fill the index (Pinecone or pgvector) with them."""
    with connected() as services, output.status("Rebuilding…", spinner="dots"):
        total = services.gallery.rebuild()
        told = services.gallery.check()
    output.print(f"{total} profiles. {escape(told)}.")


@app.command("re-embed")
def re_embed(
    retire: Annotated[
        bool, typer.Option("--retire", help="Remove the other models' vectors when this one's are complete.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make everybody's vectors with the model that the embedder runs now. May be stopped and run again at any time.

    Until they are complete, voices are compared with the old model's; then both are in service until --retire.
    """
    from sonicgen.steps.re_embed import re_embed as re_embed_step

    with connected() as services, output.status("Listening…", spinner="dots") as status:
        if json:
            status.stop()
        done = re_embed_step(services, retire=retire, on_progress=lambda made: status.update(f"{made} clips…"))
    if json:
        print_json(done.to_json())
        return
    deaf = f", {done.without_speech} without enough speech" if done.without_speech else ""
    output.print(f"{escape(done.model.key)} is in service: {done.clips} clips were embedded{deaf}.")
    for model in done.retired:
        output.print(f"  retired: {escape(model.key)}")


def _check_picture(picture: Path | None) -> None:
    """Raise InputError or SettingsError for a picture that could not be drawn, before any work is done."""
    if picture is None:
        return
    if picture.suffix.lower() != ".png":
        raise InputError(f"{picture} is no .png, which is what --picture draws.")
    if not picture.parent.is_dir():
        raise InputError(f"{picture} cannot be written: there is no folder {picture.parent}.")
    if find_spec("matplotlib") is None:
        raise SettingsError("A picture needs matplotlib, which is not installed: pip install 'matplotlib>=3.11,<4'.")


def _print(found: Evaluated, kept: bool) -> None:
    it = found.evaluation
    output.print(
        f"{it.people} people in {it.files} recordings, {escape(found.model.key)}: "
        f"{len(it.pairs.targets):,} comparisons of the same voice, {len(it.pairs.impostors):,} of different ones"
    )
    table = Table("figure", "value", "at cosine")
    table.add_row("equal error rate", _percent(it.equal_error), f"{it.equal_error_cosine:.3f}")
    table.add_row("minDCF (1 in 100 the same)", f"{it.least_cost:.3f}", f"{it.least_cost_cosine:.3f}")
    table.add_row(
        "Cllr, the encoder's own calibration", f"{it.profiles.cost(it.own):.3f}", _even(it.own.slope, it.own.offset)
    )
    if it.fitted is not None:
        even = _even(it.fitted.slope, it.fitted.offset)
        table.add_row("Cllr, fitted on these voices", f"{it.profiles.cost(it.fitted):.3f}", even)
    if it.held_out is not None:
        table.add_row("Cllr, fitted on others of them", f"{it.held_out:.3f}", "")
    output.print(table)
    _print_open_set(it.own_set, it.fitted_set)
    for each in found.skipped[:_MOST_SKIPPED]:
        errors.print(f"[yellow]Left out:[/] {escape(each.reason)}", soft_wrap=True)
    if len(found.skipped) > _MOST_SKIPPED:
        errors.print(f"[yellow]Left out:[/] {len(found.skipped) - _MOST_SKIPPED} more")
    if kept:
        output.print("The fitted calibration decides from now on; sonicgen voices calibration --reset takes it back.")
    elif it.fitted is not None:
        output.print("Nothing was stored; --keep lets the fitted calibration decide.")


def _print_open_set(own: OpenSet | None, fitted: OpenSet | None) -> None:
    sets = [("encoder's own", own), ("fitted", fitted)]
    table = Table(
        "calibration", "closest is right", "missed at 1 % false alarms", "from probability", "named", "wrong name",
        "strangers named", title="Half of them enrolled, the others strangers",
    )  # fmt: skip
    for name, found in sets:
        if found is not None:
            table.add_row(
                name,
                _percent(found.top_one),
                _percent(found.misses),
                f"{found.probability:.3f}",
                _percent(found.named),
                _percent(found.wrong),
                _percent(found.strangers_named),
            )
    if table.row_count:
        output.print(table)


def _even(slope: float, offset: float) -> str:
    """Return the cosine at which both are as likely."""
    return f"{-offset / slope:.3f}"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"
