"""`sonicgen up` and `sonicgen demo`: the embedded cloud in the foreground."""

from __future__ import annotations

import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonicgen.cli.console import errors, escape, output
from sonicgen.errors import InputError
from sonicgen.settings import read_settings

if TYPE_CHECKING:
    from sonicgen.local.supervisor import System

Port = Annotated[int | None, typer.Option(help="The port of the page; 8080 unless SONICGEN_PORT says else.")]


def up(port: Port = None) -> None:
    """Start the embedded cloud on this machine and keep it running until Ctrl-C."""
    with _running(port) as (system, stopping):
        _print_hints(system)
        stopping.wait()


def demo(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Recordings of yours; without any, some are made.", show_default=False)
    ] = None,
    port: Port = None,
    stay: Annotated[bool, typer.Option(help="Keep running afterwards.")] = True,
) -> None:
    """Start, add recordings, disturb a clip of one and ask where it is from; then stay up."""
    missing = [str(file) for file in files or [] if not file.is_file()]
    if missing:
        raise InputError(f"Not a file: {', '.join(missing)}.")
    with _running(port) as (system, stopping):
        from sonicgen.cli.demonstration import demonstrate

        correct = demonstrate(system, files or [])
        if stay:
            _print_hints(system)
            stopping.wait()
    if not correct:
        raise typer.Exit(3)


@contextmanager
def _running(port: int | None) -> Iterator[tuple[System, threading.Event]]:
    from sonicgen.local.supervisor import running

    settings = read_settings(**({} if port is None else {"port": port}))
    stopping = threading.Event()
    # SIGTERM and a closed terminal end it as Ctrl-C does: in order, every part with it. SIGINT is named too, because a
    # script's background job starts with it ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    with (
        suppress(KeyboardInterrupt),
        errors.status("Starting…", spinner="dots") as status,
        running(settings, lambda step: status.update(f"Starting: {step}…")) as system,
    ):
        status.stop()
        output.print(f"SonicGen is up after {system.seconds_to_ready:.1f} s: [bold]{system.url}[/]")
        with suppress(KeyboardInterrupt):
            yield system, stopping
        status.update("Stopping…")
        status.start()
    output.print("Stopped. Everything is kept; start again with [bold]sonicgen up[/].")


def _own_name() -> str:
    """Return how this command is called from here: by its name when it is on the path, otherwise by its file."""
    if shutil.which("sonicgen"):
        return "sonicgen"
    called = Path(sys.argv[0]).absolute()
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else str(called)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _print_hints(system: System) -> None:
    data = "" if system.folder.root == Path("data").absolute() else f" --data {escape(str(system.folder.root))}"
    output.print(f"Copy recordings into {escape(str(system.folder.inbox))}/, or in another terminal:")
    command = f"{escape(_own_name())}{data}"
    output.print(f"  [bold]{command} add[/] RECORDING…   upload and follow")
    output.print(f"  [bold]{command} find[/] CLIP        where is it from?")
    output.print("Ctrl-C stops all of it.")
