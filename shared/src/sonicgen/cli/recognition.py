"""The part of `make run` that is about people: one voice is named, and found by itself in another recording."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from sonicgen.cli.add import follow
from sonicgen.cli.console import clock, errors, escape, output
from sonicgen.cli.transcripts import user_name
from sonicgen.domain.recording import Recording
from sonicgen.domain.speaker import RecordingVoice, VoiceState
from sonicgen.local.demo_sounds import LETTER_FILE, read_sound, write_sound
from sonicgen.steps.change_speakers import name_speaker
from sonicgen.steps.recognise_groups import recognise_groups
from sonicgen.steps.services import Services
from sonicgen.store import utterances, voices

# Who reads the letter, too.
NAME = "The keeper"
# The recogniser and the embedder share this machine's cores.
PATIENCE_SECONDS = 180.0
_LOOK_SECONDS = 0.3
_OPEN = frozenset({VoiceState.CUTTING, VoiceState.WAITING})
T = TypeVar("T")


def show_people(services: Services, folder: Path, conversation: Recording | None) -> bool:
    """Name one voice of our conversation and find it in a letter; return whether that was right.

    Without our conversation among the recordings there is nothing to compare with, and nothing is named.
    """
    if not services.settings.hears_voices or conversation is None:
        return True
    output.print("\n[bold]8.[/] Somebody says who one of the two is; the other recording nobody is asked about:")
    heard = _wait(lambda: _heard(services, conversation.id))
    if len(heard or ()) < 2:
        output.print("   [red]its voices were not told apart[/]")
        return False
    # Whoever speaks second reads the letter.
    voice = sorted(heard or (), key=lambda voice: voice.turns[0].start_seconds)[1]
    assert voice.speaker_id is not None  # noqa: S101 - it is assigned
    named = name_speaker(services, voice.speaker_id, NAME, by=user_name())
    recognise_groups(services, named.speaker.id)
    output.print(
        f"   speaker {escape(voice.label)} of “{escape(conversation.title)}” "
        f"({clock(voice.speech_seconds)} of speech) is [bold]{escape(NAME)}[/]"
    )
    path = folder / "spoken letter.mp3"
    write_sound(path, read_sound(LETTER_FILE))
    (letter,) = follow(services, [path])
    found = _wait(lambda: _heard(services, letter.id)) or []
    for line in utterances.of(services.database, letter.id):
        who = line.speaker_name or "somebody"
        output.print(f"     [dim]{clock(line.start_seconds):>7}[/]  [cyan]{escape(who)}[/]: {escape(line.text)}")
    if found and found[0].probability is not None:
        output.print(f"   [dim]{found[0].probability:.1%} sure, in a letter that nobody labelled[/]")
    lines = utterances.of(services.database, letter.id)
    right = bool(lines) and all(line.speaker_name == NAME for line in lines)
    output.print("   [green]right[/]" if right else "   [red]wrong[/]")
    return right


def _heard(services: Services, video_id: UUID) -> list[RecordingVoice] | None:
    """Return a recording's voices when all of them were listened to, None before."""
    with services.database.transaction() as connection:
        found = voices.of_video(connection, video_id)
    return found if found and not any(voice.state in _OPEN for voice in found) else None


def _wait(look: Callable[[], T | None]) -> T | None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    with errors.status("   Listening…", spinner="dots"):
        while (found := look()) is None and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
    return found
