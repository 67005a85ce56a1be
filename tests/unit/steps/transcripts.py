"""Transcripts for the tests of steps that read and change them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from sonicgen.domain.recording import Recording
from sonicgen.domain.transcript import Transcript, TranscriptState, Utterance, Word, transcript_id
from sonicgen.store import recordings, utterances
from sonicgen.store.database import Database


def line(text: str, start: float, speaker: str | None = "A", name: str | None = None) -> Utterance:
    """Return a line of words of half a second each."""
    texts = text.split()
    words = [Word(part, start + i / 2, start + (i + 1) / 2, 0.9, speaker) for i, part in enumerate(texts)]
    return Utterance(start, start + len(texts) / 2, text, speaker, 0.9, tuple(words), name, "en")


def tell(
    database: Database, lines: Sequence[Utterance], *, title: str = "talk.mp3", state: TranscriptState | None = None
) -> Recording:
    """Store a recording with a transcript of these lines."""
    identifier = uuid4()
    with database.transaction() as connection:
        connection.execute("insert into videos (id, title) values (%s, %s)", (identifier, title))
        connection.execute(
            "insert into transcripts (id, video_id, state, reason) values (%s, %s, %s, 'transcribed')",
            (transcript_id(identifier), identifier, (state or TranscriptState.READY).value),
        )
    fetch_anew(database, identifier, lines)
    return recordings.get(database, identifier)


def fetch_anew(database: Database, video_id: UUID, lines: Sequence[Utterance]) -> None:
    """Replace the lines as a fetch does."""
    with database.transaction() as connection:
        transcript = Transcript(transcript_id(video_id), video_id, TranscriptState.READY)
        utterances.replace_own(connection, transcript, lines)


def lines_of(database: Database, recording: Recording) -> list[tuple[str | None, str]]:
    """Return who says what."""
    return [(one.speaker_name or one.speaker, one.text) for one in utterances.of(database, recording.id)]
