"""`sonicgen label`: give unknown voices names, the most useful one first."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonicgen.cli.catalogue import AsJson
from sonicgen.cli.connect import connected
from sonicgen.cli.console import clock, errors, escape, output, print_json
from sonicgen.cli.transcripts import user_name

if TYPE_CHECKING:
    from uuid import UUID

    from sonicgen.steps.label_voices import VoiceToName
    from sonicgen.steps.services import Services

# What plays a FLAC file on a terminal's machine, with what it needs to be quiet and to end.
_PLAYERS = (
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "quiet"), ("mpv", "--really-quiet", "--no-video"), ("afplay",),
    ("paplay",), ("play", "-q"),
)  # fmt: skip


def label(
    voice: Annotated[
        str | None, typer.Argument(help='The voice: "voice 12", 12, or an id.', show_default=False)
    ] = None,
    name: Annotated[str | None, typer.Argument(help="Its name.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Ask about at most so many.")] = 20,
    clips: Annotated[Path | None, typer.Option(help="Write the clips into this folder.", show_default=False)] = None,
    json: AsJson = False,
) -> None:
    """Name unknown voices: hear two or three short clips, accept a suggestion, type a name, or skip.

    With VOICE and NAME one voice is named without asking. With --json what waits for a name is listed.
    """
    from sonicgen.steps.label_voices import next_voices
    from sonicgen.store import speakers

    with connected() as services:
        if voice is not None and name is not None:
            with services.database.transaction() as connection:
                found = speakers.resolve(connection, voice)
            named = name_voice(services, found.id, name)
            print_json(named) if json else output.print(_told(named))
            return
        waiting = [describe(services, voice)] if voice is not None else next_voices(services, limit)
        if json:
            print_json([each.to_json() for each in waiting])
        elif not waiting:
            output.print("Every voice has a name.")
        else:
            _ask(services, waiting, clips)


def describe(services: Services, text: str) -> VoiceToName:
    """Return a voice or person by whatever they are called."""
    from sonicgen.steps.label_voices import describe_voice
    from sonicgen.store import speakers

    with services.database.transaction() as connection:
        found = speakers.resolve(connection, text)
    return describe_voice(services, found.id)


def name_voice(services: Services, speaker_id: UUID, name: str) -> dict[str, object]:
    """Name a voice, and give the same name to all of its kind; return the documented form."""
    from sonicgen.steps.change_speakers import name_speaker
    from sonicgen.steps.recognise_groups import recognise_groups

    done = name_speaker(services, speaker_id, name, by=user_name())
    groups = recognise_groups(services, done.speaker.id)
    return {**done.to_json(), "groups_recognised": groups}


def save_clips(services: Services, voice: VoiceToName, folder: Path) -> list[Path]:
    """Write a voice's clips as files and return them."""
    from sonicgen.steps.label_voices import read_clip

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, each in enumerate(voice.clips, 1):
        path = folder / f"{voice.overview.speaker.title} {number}.flac".replace("/", "-")
        path.write_bytes(read_clip(services, each.clip.id))
        paths.append(path)
    return paths


def _ask(services: Services, waiting: list[VoiceToName], clips: Path | None) -> None:
    player = next((command for command in _PLAYERS if shutil.which(command[0])), None)
    with tempfile.TemporaryDirectory(prefix="sonicgen-clips-") as scratch:
        for voice in waiting:
            paths = save_clips(services, voice, clips or Path(scratch))
            _show(voice, paths)
            if not _answer(services, voice, paths, player):
                return


def _show(voice: VoiceToName, paths: list[Path]) -> None:
    found = voice.overview
    output.print(
        f"\n[bold]{escape(found.speaker.title)}[/]  {clock(found.seconds)} of speech in "
        f"{_count(found.recordings, 'recording')}"
    )
    for number, (each, path) in enumerate(zip(voice.clips, paths, strict=True), 1):
        place = f"{escape(each.recording_title)} at {clock(each.clip.start_seconds)}"
        output.print(f"  [dim]{number}[/] {place}: “{escape(each.said)}”", soft_wrap=True)
        output.print(f"    [dim]{escape(str(path))}[/]", soft_wrap=True)
    for number, suggestion in enumerate(voice.suggestions, 1):
        output.print(f"  [cyan]={number}[/] {escape(suggestion.name)} [dim]({suggestion.probability:.0%})[/]")


def _answer(services: Services, voice: VoiceToName, paths: list[Path], player: tuple[str, ...] | None) -> bool:
    """Ask until there is an answer; False when the person has had enough."""
    hints = ["a name", *(["p to play"] if player else []), "s to skip", "q to end"]
    if voice.suggestions:
        hints[1:1] = ["= to accept the suggestion", "! to reject it"]
    while True:
        try:
            said = typer.prompt(f"  Who is it? ({', '.join(hints)})", prompt_suffix=" ").strip()
        except typer.Abort:
            return False
        if said == "q":
            return False
        if said == "p" and player:
            for path in paths:
                subprocess.run([*player, str(path)], check=False, stdin=subprocess.DEVNULL)
        elif _act(services, voice, said):
            return True


def _act(services: Services, voice: VoiceToName, said: str) -> bool:
    """Carry out one answer; whether that settles the voice."""
    from sonicgen.steps.change_speakers import reject_suggestion, skip_voice

    speaker_id = voice.overview.speaker.id
    if said == "s":
        skip_voice(services, speaker_id)
        return True
    if said == "!":
        for each in voice.suggestions:
            reject_suggestion(services, speaker_id, each.speaker_id, by=user_name())
        errors.print("  [dim]not suggested again[/]")
        return False
    if said.startswith("="):
        number = int(said[1:] or 1) if said[1:].isdigit() or said == "=" else 0
        if not 1 <= number <= len(voice.suggestions):
            errors.print("  [dim]there is no such suggestion[/]")
            return False
        said = voice.suggestions[number - 1].name
    output.print(_told(name_voice(services, speaker_id, said)))
    return True


def _told(named: dict[str, object]) -> str:
    count, groups = int(str(named["recordings"])), int(str(named["groups_recognised"]))
    more = f", recognised as {_count(groups, 'other voice')}" if groups else ""
    return f"  [green]{escape(str(named['title']))}[/]: named in {_count(count, 'recording')}{more}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
