"""Change a line of a transcript, its text or who says it; every change is on record, can be undone and is told."""

from __future__ import annotations

from dataclasses import replace

from sonicgen.domain.recording import Recording
from sonicgen.domain.transcript import Utterance
from sonicgen.errors import InputError, NotFoundError, StaleError
from sonicgen.speech.alignment import align_words
from sonicgen.steps.services import Services
from sonicgen.steps.transcript_inherit import announce
from sonicgen.store import edits, transcripts
from sonicgen.store.database import Connection
from sonicgen.store.edits import EditKind, StoredEdit
from sonicgen.store.utterances import utterance, word_columns

LONGEST_TEXT_CHARACTERS = 20_000
LONGEST_NAME_CHARACTERS = 200


def edit_text(
    services: Services,
    recording: Recording,
    position: int,
    text: str,
    *,
    edited_by: str,
    revision: int | None = None,
) -> Utterance:
    """Write a line's text anew and return the line; words that stay keep their times.

    The same text again changes nothing. Raises NotFoundError for a line that is not there, InputError for a text that
    cannot be one, StaleError when the transcript is not in the revision that the caller looked at (None: any).
    """
    text = " ".join(text.split())
    if not text or len(text) > LONGEST_TEXT_CHARACTERS or "\x00" in text:
        raise InputError(f"A line's text has 1 to {LONGEST_TEXT_CHARACTERS:,} characters.")
    with services.database.transaction() as connection:
        line = _lock(connection, recording, position, revision)
        if text == line.text:
            return line
        columns = word_columns(replace(line, words=align_words(line, text)))
        row = edits.apply(connection, _id(line), EditKind.TEXT, {"text": text, **columns}, edited_by=edited_by)
    _tell(services, recording)
    return utterance(row)


def edit_speaker(
    services: Services,
    recording: Recording,
    position: int,
    speaker: str,
    *,
    edited_by: str,
    revision: int | None = None,
) -> Utterance:
    """Say who says a line and return the line: a label or name of the transcript, or a new name; "" for nobody knows.

    Raises NotFoundError for a line that is not there, InputError for a name that is too long, StaleError as above.
    """
    wanted = " ".join(speaker.split())
    if len(wanted) > LONGEST_NAME_CHARACTERS or "\x00" in wanted:
        raise InputError(f"A speaker's name has at most {LONGEST_NAME_CHARACTERS} characters.")
    with services.database.transaction() as connection:
        line = _lock(connection, recording, position, revision)
        label, name = _voice(edits.voices(connection, recording.id), wanted)
        if (label, name) == (line.speaker, line.speaker_name):
            return line
        columns = {"speaker": label, "speaker_name": name, "word_speakers": None}
        row = edits.apply(connection, _id(line), EditKind.SPEAKER, columns, edited_by=edited_by)
    _tell(services, recording)
    return utterance(row)


def undo_edit(services: Services, recording: Recording, position: int, *, revision: int | None = None) -> Utterance:
    """Take back the latest change of a line that stands, and return the line; again takes back the one before it.

    Raises NotFoundError for a line that is not there or was not changed, StaleError as above.
    """
    with services.database.transaction() as connection:
        line = _lock(connection, recording, position, revision)
        row = edits.undo(connection, _id(line))
    if row is None:
        raise NotFoundError(f"Line {position} of {recording.title!r} has no change to undo.")
    _tell(services, recording)
    return utterance(row)


def history_of(services: Services, recording: Recording, position: int | None = None) -> list[StoredEdit]:
    """Return the changes of a recording's lines, or of one line, oldest first.

    Raises NotFoundError for a line that is not there.
    """
    if position is not None:
        with services.database.transaction() as connection:
            _lock(connection, recording, position)
    return edits.history(services.database, recording.id, position)


def _tell(services: Services, recording: Recording) -> None:
    """Tell those who wait for words, recordings that inherited these among them, that they are others now."""
    transcript = transcripts.find(services.database, recording.id)
    if transcript is not None:
        announce(services, transcript)


def _voice(voices: dict[str, str | None], wanted: str) -> tuple[str | None, str | None]:
    """Return label and name of whom a person means: a label, a name that is in use, or a new name."""
    if not wanted:
        return None, None
    for label, name in voices.items():
        if wanted.casefold() in (label.casefold(), (name or "").casefold()):
            return label, name
    return wanted, wanted


def _lock(connection: Connection, recording: Recording, position: int, revision: int | None = None) -> Utterance:
    """Return a line; neither it nor its transcript is changed by others until the transaction ends."""
    transcript = transcripts.lock(connection, recording.id)
    if revision is not None and transcript is not None and transcript.revision != revision:
        raise StaleError("Somebody changed this transcript since you looked at it; look again.")
    row = edits.line_at(connection, recording.id, position)
    if row is not None:
        return utterance(row)
    count = edits.count_lines(connection, recording.id)
    if not count:
        raise NotFoundError(f"{recording.title!r} has no transcript with lines.")
    raise NotFoundError(f"{recording.title!r} has no line {position}; its lines are 0 to {count - 1}.")


def _id(line: Utterance) -> int:
    assert line.id is not None  # noqa: S101 - it comes from the table
    return line.id
