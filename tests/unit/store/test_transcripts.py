"""Transcripts and their lines as Postgres keeps them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from sonicgen.domain.transcript import (
    TRANSCRIPT_MOVES,
    Part,
    Transcript,
    TranscriptReason,
    TranscriptSource,
    TranscriptState,
    Utterance,
    Word,
)
from sonicgen.errors import ConflictError
from sonicgen.store import recordings, transcripts, utterances
from sonicgen.store.database import Connection, Database
from tests.unit.store.conftest import Claim


def plan(connection: Connection, video_id: UUID, *sources: TranscriptSource) -> Transcript:
    made = transcripts.plan(
        connection, video_id, parts=[Part(0, 0, 9)], paid_seconds=9, omitted_seconds=1, sources=sources
    )
    assert made is not None
    return made


def begin(connection: Connection, transcript: Transcript) -> Transcript:
    return transcripts.begin_submission(
        connection, transcript, provider="local", submit_key=uuid4(), audio_object="o", audio_url="u",
        parts=transcript.parts, paid_seconds=9, omitted_seconds=1, poll_after_seconds=0,
    )  # fmt: skip


def said(start: float, text: str, speaker: str | None = "A") -> Utterance:
    words = tuple(Word(each, start + n, start + n + 0.5, 0.987, speaker) for n, each in enumerate(text.split()))
    return Utterance(start, words[-1].end_seconds, text, speaker, 0.5, words, language="en")


def test_only_the_moves_of_the_table_are_made(database: Database, claim: Claim) -> None:
    video = claim().id
    with database.transaction() as connection:
        begun = begin(connection, plan(connection, video))
        assert transcripts.finish_submission(connection, begun, "job", poll_after_seconds=0)
    for before, allowed in TRANSCRIPT_MOVES.items():
        for after in TranscriptState:
            with pytest.raises(_Undone) if after in allowed or after is before else pytest.raises(ConflictError):
                _move(database, video, before, after)


class _Undone(Exception):  # noqa: N818
    """Ends a transaction that is not to be kept."""


def _move(database: Database, video: UUID, before: TranscriptState, after: TranscriptState) -> None:
    with database.transaction() as connection:
        connection.execute("alter table transcripts disable trigger transcripts_check_move")
        connection.execute("update transcripts set state = %s where video_id = %s", (before.value, video))
        connection.execute("alter table transcripts enable trigger transcripts_check_move")
        connection.execute("update transcripts set state = %s where video_id = %s", (after.value, video))
        raise _Undone


def test_what_is_under_way_is_not_planned_again(database: Database, claim: Claim) -> None:
    video = claim().id
    again = {"parts": [Part(0, 0, 5)], "paid_seconds": 5, "omitted_seconds": 0, "sources": []}
    with database.transaction() as connection:
        planned = plan(connection, video)
        assert transcripts.plan(connection, video, **again) is None  # type: ignore[arg-type]
        begun = begin(connection, planned)
        with pytest.raises(ConflictError, match="Somebody else"):
            begin(connection, planned)
        transcripts.finish(connection, begun, TranscriptState.FAILED, TranscriptReason.PROVIDER_ERROR)
        anew = transcripts.plan(connection, video, **again)  # type: ignore[arg-type]
    assert anew is not None
    assert (anew.state, anew.paid_seconds, anew.attempts, anew.submit_key) == (TranscriptState.PLANNED, 5, 0, None)


def test_a_job_is_found_by_either_name(database: Database, claim: Claim) -> None:
    with database.transaction() as connection:
        begun = begin(connection, plan(connection, claim().id))
    assert begun.submit_key
    assert transcripts.by_submission(database, "job", begun.submit_key) == begun
    assert transcripts.by_submission(database, "job", None) is None
    with database.transaction() as connection:
        transcripts.finish_submission(connection, begun, "job", poll_after_seconds=0)
        assert not transcripts.finish_submission(connection, begun, "other", poll_after_seconds=0)
    for job, key in (("job", None), ("job", uuid4()), (None, begun.submit_key)):
        found = transcripts.by_submission(database, job, key)
        assert found is not None
        assert found.provider_id == "job"
    assert transcripts.by_submission(database, "other", begun.submit_key) is None, "a job of another name is not ours"


def test_lines_come_back_as_they_were(database: Database, claim: Claim) -> None:
    original, video = claim().id, claim().id
    mixed = Utterance(1.0, 2.0, "a b", "A", None, (Word("a", 1, 1.25, 1, "A"), Word("b", 1.5, 2, 0.001, "B")))
    with database.transaction() as connection:
        transcript = plan(connection, video, TranscriptSource(original, 0, 5, 10, 15))
        utterances.replace_own(connection, transcript, [said(7, "own one"), mixed])
        utterances.replace_inherited(connection, transcript, original, [said(0, "taken"), said(9, "over")])
    lines = utterances.of(database, video)
    assert [line.text for line in lines] == ["taken", "a b", "own one", "over"]
    assert lines[1].words == mixed.words
    assert [line.inherited_from for line in lines] == [original, None, None, original]
    with database.transaction() as connection:
        utterances.replace_inherited(connection, transcript, original, [said(4, "anew")])
        utterances.replace_own(connection, transcript, [said(7, "own one")])
        assert utterances.summary(connection, video) == utterances.Summary(2, 1, ("A",))
        assert [line.text for line in utterances.within(connection, video, 4.6, 7.1)] == ["own one"]
        assert [line.text for line in utterances.within(connection, video, 4.4, 7.0)] == ["anew"]
    recording_gone(database, video)
    assert utterances.of(database, video) == []


def recording_gone(database: Database, video: UUID) -> None:
    with database.transaction() as connection:
        recordings.delete(connection, video)


def test_what_was_spent_counts_what_is_under_way(database: Database, claim: Claim) -> None:
    one, two = claim().id, claim().id
    with database.transaction() as connection:
        connection.execute("insert into channels values ('c', 'c')")
        connection.execute("update videos set channel_id = 'c' where id = %s", (one,))
        begin(connection, plan(connection, one))
        second = begin(connection, plan(connection, two))
    start = datetime(2000, 1, 1, tzinfo=UTC)
    with database.transaction() as connection:
        assert transcripts.lock_budget(connection, one, start) == transcripts.Spent(18, 9)
        transcripts.finish(connection, second, TranscriptState.FAILED, TranscriptReason.PROVIDER_ERROR)
        assert transcripts.lock_budget(connection, two, start) == transcripts.Spent(9, 0)
        assert transcripts.lock_budget(connection, one, datetime(2999, 1, 1, tzinfo=UTC)) == transcripts.Spent(0, 0)
