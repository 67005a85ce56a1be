"""A transcript that is over is stored once, whatever its callback looked like."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from sonicgen.cloud.objects import list_objects, open_object
from sonicgen.domain.recording import Recording
from sonicgen.domain.transcript import Transcript, TranscriptReason, TranscriptState
from sonicgen.errors import TransientError
from sonicgen.events.transcript_completed import TranscriptCompleted
from sonicgen.steps.forget_recording import forget_recording
from sonicgen.steps.services import Services
from sonicgen.steps.transcript_fetch import transcript_fetch
from sonicgen.steps.transcription_submit import transcribe
from sonicgen.store import costs, transcripts, utterances
from tests.cloud_fixture import Listener, Provider, line
from tests.unit.steps.conftest import Record, match

TALK = [line("A", [("Good", 0.5, 0.8), ("evening.", 0.9, 1.4)]), line("B", [("Hello.", 2.0, 2.5)])]


def sent(services: Services, recording: Recording) -> Transcript:
    transcribe(services, recording.id)
    found = transcripts.find(services.database, recording.id)
    assert found is not None
    return found


def called(transcript: Transcript, **changes: Any) -> TranscriptCompleted:
    event = TranscriptCompleted(datetime.now(UTC), transcript.provider_id, transcript.submit_key, "completed")
    return replace(event, **changes)


def now(services: Services, recording: Recording) -> Transcript:
    found = transcripts.find(services.database, recording.id)
    assert found is not None
    return found


def booked(services: Services) -> list[tuple[str, float, float]]:
    lines = costs.totals(services.database, "recording", date(2000, 1, 1), date(2999, 1, 1))
    return [(line.title, round(line.transcribed_seconds, 2), round(line.saved_seconds, 2)) for line in lines]


def test_a_callback_stores_words_answer_and_cost_once(
    services: Services, provider: Provider, record: Record, ready_events: Listener
) -> None:
    recording = record(10.0)
    transcript = sent(services, recording)
    assert transcript.provider_id
    provider.finish(transcript.provider_id, TALK)
    for _ in range(3):
        transcript_fetch(services, called(transcript))
    lines = utterances.of(services.database, recording.id)
    assert [(each.speaker, each.text, each.start_seconds) for each in lines] == [
        ("A", "Good evening.", 0.5),
        ("B", "Hello.", 2.0),
    ]
    assert [(word.text, word.end_seconds, word.confidence) for word in lines[0].words] == [
        ("Good", 0.8, 0.9),
        ("evening.", 1.4, 0.9),
    ]
    stored = now(services, recording)
    assert (stored.state, stored.reason) == (TranscriptState.READY, TranscriptReason.TRANSCRIBED)
    assert (stored.language, stored.speech_model, stored.revision) == ("en", "test", 1)
    assert stored.raw_object == f"transcripts/{recording.id}/{transcript.provider_id}.json"
    with open_object(services.settings.media_bucket, stored.raw_object) as raw:
        assert json.load(raw) == provider.jobs[transcript.provider_id]
    assert booked(services) == [(recording.title, 10.0, 0.0)]
    told = [event for event in ready_events.take() if event["recording_id"] == str(recording.id)]
    assert len({event["ce-id"] for event in told}) == 1
    assert told[0]["state"] == "ready"
    assert told[0]["speakers"] == ["A", "B"]
    names = [each.name for each in list_objects(services.settings.media_bucket, f"novel/{recording.id}/")]
    assert names == [], "the sound that was sent is not needed any more"


def test_times_lead_back_to_the_recording(services: Services, provider: Provider, record: Record) -> None:
    original = record(30.0)
    recording = record(40.0, (original.id, match(10.0, 25.0, 5.0)))
    transcript = sent(services, recording)
    assert transcript.provider_id
    # Sent: 0 to 10, half a second of silence, 25 to 40. The line runs across the seam.
    spoken = line("A", [("one", 9.0, 9.5), ("two", 10.7, 11.0), ("three", 24.0, 24.5)])
    provider.finish(transcript.provider_id, [spoken])
    transcript_fetch(services, called(transcript))
    lines = utterances.of(services.database, recording.id)
    assert [(each.text, each.start_seconds, each.end_seconds) for each in lines] == [
        ("one", 9.0, 9.5),
        ("two three", pytest.approx(25.2), pytest.approx(39.0)),
    ]
    assert now(services, recording).state is TranscriptState.WAITING


def test_a_callback_before_the_submissions_answer_is_stored(
    services: Services, provider: Provider, record: Record
) -> None:
    recording = record(6.0)
    seen: list[str] = []

    def answer_at_once(job: dict[str, Any]) -> None:
        provider.finish(job["id"], TALK)
        key = UUID(job["webhook_url"].partition("submission=")[2])
        seen.append(
            str(transcript_fetch(services, TranscriptCompleted(datetime.now(UTC), job["id"], key, "completed")))
        )

    provider.on_post = answer_at_once
    transcribe(services, recording.id)
    assert len(seen) == 1
    stored = now(services, recording)
    assert (stored.state, stored.provider_id) == (TranscriptState.READY, next(iter(provider.jobs)))
    assert len(utterances.of(services.database, recording.id)) == 2
    assert booked(services) == [(recording.title, 6.0, 0.0)]


def test_a_callback_that_names_only_the_submission(services: Services, provider: Provider, record: Record) -> None:
    recording = record(6.0)
    transcript = sent(services, recording)
    assert transcript.provider_id
    provider.finish(transcript.provider_id, TALK)
    transcript_fetch(services, called(transcript, provider_id=None))
    assert now(services, recording).state is TranscriptState.READY


def test_a_callback_cannot_slip_in_another_job(services: Services, provider: Provider, record: Record) -> None:
    recording = record(6.0)
    provider.failures.append((r"POST /v2/transcript", 502, {"error": "bad gateway"}))
    with pytest.raises(TransientError):
        transcribe(services, recording.id)
    provider.jobs["other"] = {"id": "other", "status": "queued", "created": "", "audio_url": "https://other"}
    provider.finish("other", TALK)
    outcome = transcript_fetch(services, called(now(services, recording), provider_id="other"))
    assert outcome.state == "failed"
    assert now(services, recording).provider_id is None


def test_unknown_and_forgotten_are_acknowledged(services: Services, provider: Provider, record: Record) -> None:
    stranger = TranscriptCompleted(datetime.now(UTC), str(uuid4()), None, "completed")
    assert transcript_fetch(services, stranger).value["state"] == "unknown"
    recording = record(6.0)
    transcript = sent(services, recording)
    assert transcript.provider_id
    provider.finish(transcript.provider_id, TALK)
    forget_recording(services, recording)
    assert transcript_fetch(services, called(transcript)).value["state"] == "unknown"
    for folder in ("transcripts", "novel"):
        assert not list(list_objects(services.settings.media_bucket, f"{folder}/{recording.id}/"))
    assert booked(services) == []


def test_forgotten_while_it_is_fetched(services: Services, provider: Provider, record: Record) -> None:
    recording = record(6.0)
    transcript = sent(services, recording)
    assert transcript.provider_id
    provider.finish(transcript.provider_id, TALK)
    event = called(transcript)
    before = transcripts.by_submission(services.database, event.provider_id, event.submit_key)
    assert before is not None
    forget_recording(services, recording)
    from sonicgen.steps.transcript_fetch import fetch

    assert fetch(services, before, transcript.provider_id) is None
    assert not list(list_objects(services.settings.media_bucket, f"transcripts/{recording.id}/"))


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        ({"status": "error", "error": "Download error"}, TranscriptState.FAILED, TranscriptReason.PROVIDER_ERROR),
        ({"status": "error"}, TranscriptState.FAILED, TranscriptReason.PROVIDER_ERROR),
        (
            {"status": "error", "error": "language_detection cannot be performed on files with no spoken audio."},
            TranscriptState.EMPTY,
            TranscriptReason.NOTHING_SAID,
        ),
        ({"status": "completed", "text": "", "words": [], "utterances": []}, TranscriptState.EMPTY,
         TranscriptReason.NOTHING_SAID),
        ({"status": "completed", "text": None, "words": None, "utterances": None}, TranscriptState.EMPTY,
         TranscriptReason.NOTHING_SAID),
        ({"status": "completed", "text": "Hello.", "words": TALK[1]["words"], "utterances": None},
         TranscriptState.READY, TranscriptReason.NO_SPEAKERS),
        ({"status": "completed", "text": "Hello.", "words": "?", "utterances": 7}, TranscriptState.FAILED,
         TranscriptReason.PROVIDER_ERROR),
    ],
)  # fmt: skip
def test_every_answer_is_a_state(
    services: Services,
    provider: Provider,
    record: Record,
    answer: dict[str, Any],
    state: TranscriptState,
    reason: TranscriptReason,
) -> None:
    recording = record(6.0)
    transcript = sent(services, recording)
    assert transcript.provider_id
    provider.jobs[transcript.provider_id] |= answer
    transcript_fetch(services, called(transcript))
    stored = now(services, recording)
    assert (stored.state, stored.reason) == (state, reason)
    paid = answer["status"] == "completed" and state is not TranscriptState.FAILED
    assert len(booked(services)) == (1 if paid else 0), "what ends in an error is not charged"
    if reason is TranscriptReason.NO_SPEAKERS:
        (said,) = utterances.of(services.database, recording.id)
        assert (said.speaker, said.text) == (None, "Hello.")


def test_a_job_that_is_gone_is_a_state(services: Services, provider: Provider, record: Record) -> None:
    recording = record(6.0)
    transcript = sent(services, recording)
    provider.jobs.clear()
    transcript_fetch(services, called(transcript))
    assert now(services, recording).reason is TranscriptReason.PROVIDER_LOST


def test_a_provider_in_trouble_is_asked_again(services: Services, provider: Provider, record: Record) -> None:
    recording = record(6.0)
    transcript = sent(services, recording)
    assert transcript.provider_id
    provider.finish(transcript.provider_id, TALK)
    for status in (429, 500, 503):
        provider.failures.append((r"GET /v2/transcript/.*", status, {"error": "later"}))
        with pytest.raises(TransientError):
            transcript_fetch(services, called(transcript))
    transcript_fetch(services, called(transcript))
    assert now(services, recording).state is TranscriptState.READY
