"""The part of `make run` that is about words: who said what, and what a repost saved."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

from sonicgen.cli.add import follow
from sonicgen.cli.console import clock, errors, escape, output
from sonicgen.domain.recording import Recording
from sonicgen.domain.transcript import Transcript, TranscriptState, Utterance
from sonicgen.local.demo_sounds import RATE_HZ, read_sound, write_sound
from sonicgen.steps.services import Services
from sonicgen.store import costs, transcripts, utterances

# The recogniser on this machine takes its time; whoever has an hour of speech reads it later.
PATIENCE_SECONDS = 180.0
_SHOWN_LINES = 8
_LOOK_SECONDS = 0.3
# The repost's words are those of the original at times that differ by the cut alone.
TOLERANCE_SECONDS = 0.05
_UNDER_WAY = frozenset(TranscriptState) - {
    TranscriptState.READY, TranscriptState.INHERITED, TranscriptState.EMPTY, TranscriptState.FAILED,
    TranscriptState.SKIPPED, TranscriptState.OVER_BUDGET,
}  # fmt: skip


def show_words(services: Services, folder: Path, added: list[tuple[Path, Recording]]) -> bool:
    """Show what is said in the recordings, then a repost of the one that says most; return whether it was right."""
    settings = services.settings
    output.print(f"\n[bold]6.[/] Who said what  [dim]({escape(settings.explain_transcription())})[/]")
    if settings.transcription_provider is None:
        return True
    found = _wait(services, [recording.id for _, recording in added])
    said = {recording.id: utterances.of(services.database, recording.id) for _, recording in added}
    for _, recording in added:
        transcript = found.get(recording.id)
        output.print(f"   [bold]{escape(recording.title)}[/]: {_tell(transcript)}")
        _print_lines(said[recording.id])
    talks = [(file, recording) for file, recording in added if len(_words(said[recording.id])) >= 10]
    if not talks:
        return True
    file, recording = max(talks, key=lambda talk: len(_words(said[talk[1].id])))
    return _repost(services, folder, file, recording, said[recording.id])


def _repost(services: Services, folder: Path, file: Path, recording: Recording, said: list[Utterance]) -> bool:
    output.print(f"\n[bold]7.[/] The middle third of “{escape(recording.title)}”, posted again by somebody else:")
    sound = read_sound(file)
    start, end = len(sound) // 3, 2 * len(sound) // 3
    path = folder / f"middle of {file.stem}.opus"
    write_sound(path, sound[start:end], bit_rate=32_000)
    (repost,) = follow(services, [path])
    transcript = _wait(services, [repost.id]).get(repost.id)
    lines = utterances.of(services.database, repost.id)
    _print_lines(lines)
    off = _largest_difference(said, lines, start / RATE_HZ)
    lines_of_cost = costs.totals(services.database, "recording", date(2000, 1, 1), datetime.now(UTC).date())
    books = next((line for line in lines_of_cost if line.key == str(repost.id)), None)
    saved = books.saved_seconds if books else 0.0
    amount = services.settings.transcription_price_per_hour * int(saved * 1000) / 3_600_000
    paid = transcript.paid_seconds if transcript else 0.0
    output.print(
        f"   sent to be transcribed: [bold]{clock(paid)}[/], saved: [bold]{clock(saved)}[/]  "
        f"[dim](at AssemblyAI's price {amount:.5f} {services.settings.currency}; sonicgen costs)[/]"
    )
    if off is None:
        output.print("   [red]its words are not the original's[/]")
        return False
    output.print(f"   its words are the original's, and their times differ by {off * 1000:.0f} ms at most")
    right = paid == 0.0 and off <= TOLERANCE_SECONDS
    output.print("   [green]right[/]" if right else "   [red]wrong[/]")
    return right


def _wait(services: Services, identifiers: list[UUID]) -> dict[UUID, Transcript]:
    """Return the transcripts of recordings when each is over, or as they are when patience is."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with errors.status("   Transcribing…", spinner="dots"):
        while True:
            states = {identifier: transcripts.find(services.database, identifier) for identifier in identifiers}
            known = {identifier: transcript for identifier, transcript in states.items() if transcript is not None}
            waiting = len(known) < len(states) or any(each.state in _UNDER_WAY for each in known.values())
            if not waiting or time.monotonic() > deadline:
                return known
            time.sleep(_LOOK_SECONDS)


def _tell(transcript: Transcript | None) -> str:
    return f"[dim]{escape(transcript.explain())}[/]" if transcript else "[dim]no transcript yet[/]"


def _print_lines(lines: list[Utterance]) -> None:
    for line in lines[:_SHOWN_LINES]:
        who = line.speaker_name or (f"Speaker {line.speaker}" if line.speaker else "somebody")
        output.print(f"     [dim]{clock(line.start_seconds):>7}[/]  [cyan]{escape(who)}[/]: {escape(line.text)}")
    if len(lines) > _SHOWN_LINES:
        output.print(f"     [dim]and {len(lines) - _SHOWN_LINES} more lines[/]")


def _words(lines: list[Utterance]) -> list[tuple[str, float]]:
    return [(word.text, (word.start_seconds + word.end_seconds) / 2) for line in lines for word in line.words]


def _largest_difference(said: list[Utterance], again: list[Utterance], cut_seconds: float) -> float | None:
    """Return by how much the words' times differ beyond the cut; None when the words are others."""
    wanted, got = _words(said), _words(again)
    for first in range(len(wanted) - len(got) + 1):
        piece = wanted[first : first + len(got)]
        if got and [text for text, _ in piece] == [text for text, _ in got]:
            # A word that the cut goes through is as short as what is left of it: the first and the last do not count.
            pairs = list(zip(piece, got, strict=True))[1:-1]
            return max((abs(before - cut_seconds - after) for (_, before), (_, after) in pairs), default=0.0)
    return None
