"""Every sweep finds what was left behind, and none stops another."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sonicgen.cloud.objects import list_objects
from sonicgen.domain.recording import Reason, Recording
from sonicgen.domain.transcript import TranscriptState
from sonicgen.errors import TransientError, UnavailableError
from sonicgen.steps import maintenance
from sonicgen.steps.maintenance import SweepResult, maintain
from sonicgen.steps.services import Services
from sonicgen.steps.transcription_submit import transcribe
from sonicgen.store import transcripts, utterances
from tests.cloud_fixture import Provider, line
from tests.unit.steps.conftest import Record

TALK = [line("A", [("Good", 0.5, 0.8), ("evening.", 0.9, 1.4)])]


def change(services: Services, recording: Recording, assignment: str) -> None:
    """Change a transcript behind everybody's back: time passes. (The trigger that touches rows is left out.)"""
    with services.database.transaction() as connection:
        connection.execute("set local session_replication_role = replica")
        connection.execute(f"update transcripts set {assignment} where video_id = %s".encode(), (recording.id,))  # noqa: S608


def state(services: Services, recording: Recording) -> TranscriptState:
    found = transcripts.find(services.database, recording.id)
    assert found is not None
    return found.state


def counts(results: list[SweepResult]) -> dict[str, int]:
    return {result.name: result.count for result in results if result.count}


def test_nothing_to_do(services: Services) -> None:
    results = maintain(services)
    assert [result.name for result in results] == [name for name, _ in maintenance.SWEEPS]
    assert counts(results) == {}
    assert {result.error for result in results} == {None}


def test_a_callback_that_never_came(services: Services, provider: Provider, record: Record) -> None:
    done, queued, early = record(6.0), record(6.0), record(6.0)
    for recording in (done, queued, early):
        transcribe(services, recording.id)
    first, second, _ = provider.jobs
    provider.finish(first, TALK)
    provider.jobs[second]["status"] = "processing"
    assert counts(maintain(services)) == {}, "it is not due yet"
    for recording in (done, queued):
        change(services, recording, "next_poll_at = now() - interval '1 second'")
    assert counts(maintain(services)) == {"lost callbacks": 2}
    assert state(services, done) is TranscriptState.READY
    assert state(services, queued) is TranscriptState.PROCESSING
    assert state(services, early) is TranscriptState.SUBMITTED
    assert len(utterances.of(services.database, done.id)) == 1
    assert counts(maintain(services)) == {}


@pytest.mark.parametrize("arrived", [True, False])
def test_a_submission_whose_worker_died(services: Services, provider: Provider, record: Record, arrived: bool) -> None:
    recording = record(6.0)
    provider.failures.append((r"POST /v2/transcript", 502, {"error": "bad gateway"}))
    with pytest.raises(TransientError):
        transcribe(services, recording.id)
    if arrived:
        noted = transcripts.find(services.database, recording.id)
        assert noted is not None
        provider.jobs["made"] = {
            "id": "made", "status": "queued", "created": "2026-11-21T05:00:00", "audio_url": noted.audio_url
        }  # fmt: skip
        provider.finish("made", TALK)
    change(
        services,
        recording,
        "next_poll_at = now() - interval '1 second', submitted_at = submitted_at - interval '1 hour'",
    )
    assert counts(maintain(services)) == {"lost callbacks": 1}
    assert state(services, recording) is (TranscriptState.READY if arrived else TranscriptState.SUBMITTED)
    assert provider.posts == (0 if arrived else 1)


def test_a_planned_one_whose_worker_died(services: Services, provider: Provider, record: Record) -> None:
    recording = record(6.0)
    provider.failures.append((r"POST /v2/upload", 503, {"error": "overloaded"}))
    with pytest.raises(TransientError):
        transcribe(services, recording.id)
    assert counts(maintain(services)) == {}
    change(services, recording, "updated_at = now() - interval '1 hour'")
    assert counts(maintain(services)) == {"unsent transcripts": 1}
    assert state(services, recording) is TranscriptState.SUBMITTED


def test_over_the_budget_until_the_next_day(
    make_services: Callable[..., Services], provider: Provider, record: Record
) -> None:
    services = make_services(transcription_budget="0.003h")
    first, second = record(8.0), record(8.0)
    transcribe(services, first.id)
    transcribe(services, second.id)
    assert counts(maintain(services)) == {}
    for recording in (first, second):
        change(
            services,
            recording,
            "updated_at = updated_at - interval '1 day', submitted_at = submitted_at - interval '1 day'",
        )
    assert counts(maintain(services)) == {"unsent transcripts": 1}
    assert state(services, second) is TranscriptState.SUBMITTED
    assert provider.posts == 2


def test_a_copy_whose_original_was_never_asked_for(services: Services, provider: Provider, record: Record) -> None:
    original = record(6.0)
    copy = record(6.0, original=original.id, reason=Reason.IDENTICAL_FILE)
    transcribe(services, copy.id)
    change(services, copy, "updated_at = now() - interval '1 hour'")
    assert counts(maintain(services)) == {"waiting transcripts": 1}
    assert state(services, original) is TranscriptState.SUBMITTED
    assert state(services, copy) is TranscriptState.WAITING


def test_old_answers_are_removed(make_services: Callable[..., Services], provider: Provider, record: Record) -> None:
    services = make_services(retention_days=30)
    recording = record(6.0)
    transcribe(services, recording.id)
    provider.finish(next(iter(provider.jobs)), TALK)
    change(services, recording, "next_poll_at = now() - interval '1 second'")
    maintain(services)
    prefix = f"transcripts/{recording.id}/"
    assert counts(maintain(services)) == {}
    change(services, recording, "completed_at = now() - interval '31 days'")
    assert counts(maintain(make_services(retention_days=0))) == {}
    assert len(list(list_objects(services.settings.media_bucket, prefix))) == 1
    assert counts(maintain(services)) == {"retention": 1}
    assert not list(list_objects(services.settings.media_bucket, prefix))
    assert len(utterances.of(services.database, recording.id)) == 1


def test_one_sweep_that_fails_stops_no_other(services: Services) -> None:
    def fail(_: Services) -> int:
        raise UnavailableError("It is down.")

    def break_(_: Services) -> int:
        raise ZeroDivisionError

    results = maintain(services, (("one", fail), ("two", break_), ("three", lambda _: 3)))
    assert [(result.name, result.count) for result in results] == [("one", 0), ("two", 0), ("three", 3)]
    assert results[0].error == "UnavailableError: It is down."
    assert results[1].error


def test_one_transcript_that_fails_stops_no_other(services: Services, provider: Provider, record: Record) -> None:
    one, two = record(6.0), record(6.0)
    for recording in (one, two):
        transcribe(services, recording.id)
        change(services, recording, "next_poll_at = now() - interval '1 second'")
    provider.finish(list(provider.jobs)[1], TALK)
    provider.failures.append((r"GET /v2/transcript/.*", 500, {"error": "trouble"}))
    assert counts(maintain(services)) == {"lost callbacks": 1}
    assert {state(services, one), state(services, two)} == {TranscriptState.SUBMITTED, TranscriptState.READY}
    assert provider.failures == []
