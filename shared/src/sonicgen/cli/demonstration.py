"""What `make run` shows: recordings go in, a disturbed clip is asked for, the answer stands beside the truth."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sonicgen.cli.add import follow
from sonicgen.cli.console import clock, escape, output
from sonicgen.cli.find import print_answer
from sonicgen.cli.recognition import show_people
from sonicgen.cli.spoken import show_words
from sonicgen.domain.match import Decision
from sonicgen.domain.recording import MatchStatus, Recording
from sonicgen.local.demo_sounds import CONVERSATION, RATE_HZ, disturb, make_pieces, read_sound, write_sound
from sonicgen.steps.find_clip import Answer, find_clip
from sonicgen.steps.services import Services

if TYPE_CHECKING:
    from sonicgen.local.supervisor import System

CLIP_SECONDS = 8.0
CLIP_SPEED = 1.02
CLIP_NOISE = 0.3
# An answer is right when it names the recording and the second.
TOLERANCE_SECONDS = 1.0


def demonstrate(system: System, files: list[Path]) -> bool:
    """Run the demonstration on the given files, or on sounds of our own; return whether every answer was right."""
    from sonicgen.settings import read_settings

    services = Services(read_settings())
    try:
        with tempfile.TemporaryDirectory(dir=system.folder.run) as folder:
            return _demonstrate(services, Path(folder), files)
    finally:
        services.close()


def _demonstrate(services: Services, folder: Path, files: list[Path]) -> bool:
    if not files:
        output.print("\n[bold]1.[/] Making a few minutes of sound.")
        files = _make_files(folder)
    output.print(f"\n[bold]2.[/] Adding {len(files)} recordings.")
    added = follow(services, files)
    usable = [
        (file, recording)
        for file, recording in zip(files, added, strict=False)
        if recording.match_status in (MatchStatus.FINGERPRINTED, MatchStatus.MATCHED)
    ]
    if not usable:
        output.print("[red]None of them could be used.[/]")
        return False
    file, recording = usable[0]
    output.print(f"\n[bold]3.[/] A clip of “{escape(recording.title)}”, faster, noisy, as mp3:")
    right = _ask(services, folder, file, recording)
    output.print("\n[bold]4.[/] The whole recording once more, re-encoded under another name:")
    right = _add_copy(services, folder, file, recording) and right
    output.print("\n[bold]5.[/] And a sound that nobody has added:")
    stranger = folder / "noise.wav"
    write_sound(stranger, (0.1 * np.random.default_rng(99).standard_normal(8 * RATE_HZ)).astype(np.float32))
    answer = find_clip(services, stranger)
    print_answer(answer)
    right = right and not any(found.match.decision is Decision.MATCH for found in answer.found)
    right = show_words(services, folder, usable) and right
    if services.settings.transcription_provider is None:
        return right
    conversation = next((recording for file, recording in usable if file.stem == CONVERSATION), None)
    return show_people(services, folder, conversation) and right


def _make_files(folder: Path) -> list[Path]:
    files = []
    for piece in make_pieces(folder):
        path = folder / f"{piece.name}.{piece.suffix}"
        write_sound(path, piece.sound)
        output.print(f"   {escape(path.name)}  [dim]{clock(len(piece.sound) / RATE_HZ)}[/]")
        files.append(path)
    return files


def _ask(services: Services, folder: Path, file: Path, recording: Recording) -> bool:
    sound = read_sound(file)
    start_seconds = max(0.0, 0.4 * len(sound) / RATE_HZ)
    seconds = min(CLIP_SECONDS, len(sound) / RATE_HZ - start_seconds)
    clip = folder / "clip.mp3"
    disturbed = disturb(sound, start_seconds=start_seconds, seconds=seconds, speed=CLIP_SPEED, noise=CLIP_NOISE, seed=7)
    write_sound(clip, disturbed, bit_rate=48_000)
    answer = find_clip(services, clip)
    print_answer(answer)
    output.print(f"   the truth: [bold]{escape(recording.title)}[/] from [bold]{clock(start_seconds)}[/]")
    return _verdict(_is_right(answer, recording, start_seconds))


def _is_right(answer: Answer, recording: Recording, start_seconds: float) -> bool:
    wanted = {recording.id, recording.original_video_id}
    return any(
        found.recording.id in wanted
        and abs(found.match.reference_start_seconds - start_seconds - found.match.query_start_seconds * CLIP_SPEED)
        < TOLERANCE_SECONDS
        for found in answer.found
        if found.match.decision is Decision.MATCH
    )


def _add_copy(services: Services, folder: Path, file: Path, recording: Recording) -> bool:
    copy = folder / f"repost of {file.stem}.opus"
    write_sound(copy, read_sound(file), bit_rate=32_000)
    (added,) = follow(services, [copy])
    wanted = recording.original_video_id or recording.id
    return _verdict(added.match_status is MatchStatus.MATCHED and added.original_video_id == wanted)


def _verdict(right: bool) -> bool:
    output.print("   [green]right[/]" if right else "   [red]wrong[/]")
    return right
