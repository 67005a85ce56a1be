"""The lines of transcripts as Postgres keeps them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import DictRow

from sonicgen.domain.transcript import Transcript, Utterance, Word
from sonicgen.store import edits
from sonicgen.store.database import Connection, Database
from sonicgen.store.statements import load_statements

_SQL = load_statements("utterances")


def replace_own(connection: Connection, transcript: Transcript, lines: Iterable[Utterance]) -> None:
    """Make these all the lines of a transcript that were transcribed for it; what it inherited stays."""
    connection.execute(_SQL["delete_own"], {"transcript_id": transcript.id})
    _insert(connection, transcript, lines, None)


def replace_inherited(
    connection: Connection, transcript: Transcript, source_id: UUID, lines: Iterable[Utterance]
) -> None:
    """Make these all the lines of a transcript that it has of one other recording."""
    connection.execute(_SQL["delete_inherited"], {"transcript_id": transcript.id, "source_id": source_id})
    _insert(connection, transcript, lines, source_id)


def of(database: Database, video_id: UUID) -> list[Utterance]:
    """Return all lines of a recording in the order of time."""
    return [utterance(row) for row in database.execute(_SQL["of_video"], {"video_id": video_id})]


def within(connection: Connection, video_id: UUID, start_seconds: float, end_seconds: float) -> list[Utterance]:
    """Return the lines of a recording that are heard, in part at least, within a range."""
    values = {"video_id": video_id, "start_seconds": start_seconds, "end_seconds": end_seconds}
    return [utterance(row) for row in connection.execute(_SQL["within"], values)]


@dataclass(frozen=True, slots=True)
class Summary:
    """How many lines a recording has, how many of them were transcribed for it, and its speakers' labels."""

    lines: int
    own_lines: int
    speakers: tuple[str, ...]


def summary(connection: Connection, video_id: UUID) -> Summary:
    """Return what a recording's lines come to."""
    row = connection.execute(_SQL["summary"], {"video_id": video_id}).fetchone()
    assert row is not None  # noqa: S101 - an aggregate returns a row
    return Summary(row["lines"], row["own_lines"], tuple(row["speakers"]))


def utterance(row: DictRow) -> Utterance:
    """Return the line of a row of the table."""
    speakers = row["word_speakers"] or [row["speaker"]] * len(row["word_texts"])
    columns = (row["word_texts"], row["word_starts_ms"], row["word_ends_ms"], row["word_confidences"], speakers)
    return Utterance(
        id=row["id"],
        start_seconds=row["start_seconds"],
        end_seconds=row["end_seconds"],
        text=row["text"],
        speaker=row["speaker"],
        speaker_name=row["speaker_name"],
        language=row["language"],
        confidence=row["confidence"],
        inherited_from=row["inherited_from_video_id"],
        words=tuple(
            Word(text, start / 1000, end / 1000, confidence / 1000, speaker)
            for text, start, end, confidence, speaker in zip(*columns, strict=True)
        ),
    )


def word_columns(line: Utterance) -> dict[str, list[str] | list[int] | list[str | None] | None]:
    """Return a line's words as the columns of the table."""
    speakers = [word.speaker for word in line.words]
    return {
        "word_texts": [word.text for word in line.words],
        "word_starts_ms": [round(word.start_seconds * 1000) for word in line.words],
        "word_ends_ms": [round(word.end_seconds * 1000) for word in line.words],
        "word_confidences": [round(word.confidence * 1000) for word in line.words],
        "word_speakers": None if all(speaker == line.speaker for speaker in speakers) else speakers,
    }


def _insert(
    connection: Connection, transcript: Transcript, lines: Iterable[Utterance], inherited_from: UUID | None
) -> None:
    rows = [
        {
            "video_id": transcript.video_id,
            "transcript_id": transcript.id,
            "start_seconds": line.start_seconds,
            "end_seconds": line.end_seconds,
            "speaker": line.speaker,
            "speaker_name": line.speaker_name,
            "text": line.text,
            "language": line.language,
            "confidence": line.confidence,
            "inherited_from": inherited_from,
            **word_columns(line),
        }
        for line in lines
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_SQL["insert"], rows)
    connection.execute(_SQL["number_anew"], {"transcript_id": transcript.id})
    edits.reapply(connection, transcript.video_id)
