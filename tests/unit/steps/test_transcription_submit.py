"""Only what is new is sent, and it is paid for once whatever happens."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

import av
import pytest

from sonicgen.cloud.objects import describe_object
from sonicgen.domain.recording import MatchStatus, Reason, Recording
from sonicgen.domain.transcript import Part, TranscriptReason, TranscriptState
from sonicgen.errors import SettingsError, TransientError
from sonicgen.events.recording_fingerprinted import RecordingFingerprinted
from sonicgen.steps.services import Services
from sonicgen.steps.transcription_submit import SETTLE_SECONDS, transcribe, transcription_submit
from sonicgen.store import matches, recordings, transcripts
from tests.cloud_fixture import Provider
from tests.unit.steps.conftest import Record, match


def event(recording: Recording) -> RecordingFingerprinted:
    assert recording.match_status
    return RecordingFingerprinted(recording.id, recording.match_status, recording.updated_at or datetime.now(UTC))


def seconds_of(sound: bytes) -> float:
    with av.open(io.BytesIO(sound)) as container:
        assert isinstance(container, av.container.InputContainer)
        return sum(frame.samples for frame in container.decode(container.streams.audio[0])) / 16_000


def age_submission(services: Services, recording: Recording) -> None:
    """Let a submission be so old that its answer cannot come any more."""
    with services.database.transaction() as connection:
        connection.execute(
            "update transcripts set submitted_at = submitted_at - make_interval(secs => %s) where video_id = %s",
            (SETTLE_SECONDS + 1, recording.id),
        )


def test_a_new_recording_is_sent_whole_and_once(services: Services, provider: Provider, record: Record) -> None:
    recording = record(12.0)
    for _ in range(3):
        transcription_submit(services, event(recording))
    (job,) = provider.jobs.values()
    assert job["speaker_labels"]
    assert job["language_detection"]
    stored = transcripts.find(services.database, recording.id)
    assert stored is not None
    assert (stored.state, stored.provider_id, stored.attempts) == (TranscriptState.SUBMITTED, job["id"], 1)
    assert stored.paid_seconds == pytest.approx(12.0)
    assert job["webhook_url"] == f"https://hook.test/transcription_webhook?submission={stored.submit_key}"
    assert job["webhook_auth_header_value"] == "a secret of ours that is long"
    assert seconds_of(provider.uploads[job["audio_url"]]) == pytest.approx(12.0, abs=1e-3)
    assert stored.audio_object
    assert describe_object(services.settings.media_bucket, stored.audio_object).size_bytes


def test_only_novel_seconds_are_sent(services: Services, provider: Provider, record: Record) -> None:
    original = record(30.0)
    recording = record(40.0, (original.id, match(10.0, 25.0, 5.0)), (original.id, match(31.0, 33.0, 20.0)))
    transcribe(services, recording.id)
    stored = transcripts.find(services.database, recording.id)
    assert stored is not None
    assert stored.parts == (Part(0.0, 0.0, 10.0), Part(10.5, 25.0, 6.0), Part(17.0, 33.0, 7.0))
    (sound,) = provider.uploads.values()
    assert seconds_of(sound) == pytest.approx(24.0, abs=1e-3)


def test_a_copy_and_an_identical_file_pay_nothing(services: Services, provider: Provider, record: Record) -> None:
    original = record(30.0)
    copy = record(10.0, (original.id, match(0.3, 9.8, 12.3)), original=original.id, reason=Reason.DUPLICATE)
    twin = record(30.0, original=original.id, reason=Reason.IDENTICAL_FILE)
    for recording in (copy, twin):
        made = transcribe(services, recording.id)
        assert made is not None
        assert (made.state, made.reason) == (TranscriptState.WAITING, TranscriptReason.ORIGINAL_AWAITED)
    assert provider.posts == 0


def test_silence_is_not_sent(services: Services, provider: Provider, record: Record) -> None:
    made = transcribe(services, record(6.0, level=1e-5).id)
    assert made is not None
    assert (made.state, made.reason) == (TranscriptState.EMPTY, TranscriptReason.NOT_AUDIBLE)
    assert not provider.uploads


def test_what_is_undecided_or_gone_has_no_transcript(services: Services, record: Record) -> None:
    assert transcribe(services, UUID(int=5)) is None
    recording = record(6.0)
    with services.database.transaction() as connection:
        recordings.ask_again(connection, recording.id)
    assert transcribe(services, recording.id) is None
    assert transcripts.find(services.database, recording.id) is None


def test_sound_that_is_gone_is_a_state(services: Services, record: Record) -> None:
    recording = record(6.0)
    with services.database.transaction() as connection:
        connection.execute("update videos set object_name = 'gone' where id = %s", (recording.id,))
    made = transcribe(services, recording.id)
    assert made is not None
    assert (made.state, made.reason) == (TranscriptState.FAILED, TranscriptReason.AUDIO_GONE)


def test_turned_off_is_said(make_services: Callable[..., Services], record: Record) -> None:
    off = make_services(transcription="off")
    made = transcribe(off, record(6.0).id)
    assert made is not None
    assert made.state is TranscriptState.SKIPPED
    assert "SONICGEN_TRANSCRIPTION" in made.explain()


def test_an_answer_that_is_lost_is_adopted(services: Services, provider: Provider, record: Record) -> None:
    recording = record(6.0)
    provider.failures.append((r"POST /v2/transcript", 502, {"error": "bad gateway"}))
    with pytest.raises(TransientError):
        transcribe(services, recording.id)
    noted = transcripts.find(services.database, recording.id)
    assert noted is not None
    assert noted.state is TranscriptState.SUBMITTING
    # The job exists all the same: the gateway lost the answer.
    provider.jobs["made"] = {
        "id": "made", "status": "queued", "created": "2026-11-21T05:00:00", "audio_url": noted.audio_url
    }  # fmt: skip
    transcribe(services, recording.id)
    stored = transcripts.find(services.database, recording.id)
    assert stored is not None
    assert (stored.state, stored.provider_id) == (TranscriptState.SUBMITTED, "made")
    assert provider.posts == 0


def test_an_order_that_never_arrived_is_sent_again(services: Services, provider: Provider, record: Record) -> None:
    recording = record(6.0)
    provider.failures.append((r"POST /v2/transcript", 503, {"error": "overloaded"}))
    for _ in range(2):  # at first it is too early to tell
        with pytest.raises(TransientError):
            transcribe(services, recording.id)
    assert provider.posts == 0
    age_submission(services, recording)
    transcribe(services, recording.id)
    stored = transcripts.find(services.database, recording.id)
    assert stored is not None
    assert (stored.state, stored.attempts, provider.posts) == (TranscriptState.SUBMITTED, 2, 1)


KILLED = """
import os, signal, sys
from uuid import UUID
from sonicgen.settings import read_settings
from sonicgen.steps.services import Services
from sonicgen.steps.transcription_submit import transcribe
def die(step):
    if step == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
transcribe(Services(read_settings()), UUID(sys.argv[1]), die)
"""


@pytest.mark.parametrize("step", ["noting", "calling", "called"])
def test_killed_at_any_place_it_is_paid_once(
    services: Services, provider: Provider, record: Record, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    recording = record(6.0)
    chosen = services.settings
    monkeypatch.setenv("DATABASE_URL", str(chosen.database_url))
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", "a key")
    monkeypatch.setenv("ASSEMBLYAI_BASE_URL", provider.url)
    monkeypatch.setenv("SONICGEN_TRANSCRIPTION", "assemblyai")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(recording.id), step], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    paid_before = provider.posts
    assert paid_before == (1 if step == "called" else 0), "it dies between the call and its answer being stored"
    if step == "calling":
        age_submission(services, recording)
    transcribe(services, recording.id)
    stored = transcripts.find(services.database, recording.id)
    assert stored is not None
    assert (stored.state, provider.posts) == (TranscriptState.SUBMITTED, 1)
    assert stored.provider_id in provider.jobs


def test_a_wrong_key_costs_nothing_and_is_no_end(services: Services, provider: Provider, record: Record) -> None:
    recording = record(6.0)
    provider.failures.append((r"POST /v2/transcript", 401, {"error": "Invalid API key"}))
    with pytest.raises(SettingsError, match="ASSEMBLYAI_API_KEY"):
        transcribe(services, recording.id)
    stored = transcripts.find(services.database, recording.id)
    assert stored is not None
    assert stored.state is TranscriptState.PLANNED
    transcribe(services, recording.id)
    assert provider.posts == 1


def test_what_the_provider_refuses_is_a_state(services: Services, provider: Provider, record: Record) -> None:
    provider.failures.append((r"POST /v2/transcript", 400, {"error": "audio_url is wrong"}))
    made = transcribe(services, record(6.0).id)
    assert made is not None
    assert (made.state, made.reason) == (TranscriptState.FAILED, TranscriptReason.PROVIDER_REFUSED)
    assert "audio_url is wrong" in made.explain()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"transcription_budget": "0.003h"}, TranscriptReason.DAY_BUDGET),
        ({"transcription_budget": "0.001", "transcription_price_per_hour": "0.36"}, TranscriptReason.DAY_BUDGET),
        ({"channel_budget": "0.003h"}, TranscriptReason.CHANNEL_BUDGET),
    ],
)
def test_a_budget_stops_submissions(
    make_services: Callable[..., Services],
    provider: Provider,
    record: Record,
    settings: dict[str, str],
    reason: TranscriptReason,
) -> None:
    services = make_services(**settings)
    first, second = record(8.0, channel="one"), record(8.0, channel="one")
    transcribe(services, first.id)
    made = transcribe(services, second.id)
    assert made is not None
    assert (made.state, made.reason) == (TranscriptState.OVER_BUDGET, reason)
    assert "were sent today" in made.explain()
    assert provider.posts == 1
    other = transcribe(services, record(8.0, channel="two").id)
    assert other is not None
    assert other.state is (
        TranscriptState.SUBMITTED if reason is TranscriptReason.CHANNEL_BUDGET else TranscriptState.OVER_BUDGET
    )


def test_what_is_paid_for_is_kept_when_a_recording_is_decided_anew(
    services: Services, provider: Provider, record: Record
) -> None:
    recording = record(6.0)
    transcription_submit(services, event(recording))
    with services.database.transaction() as connection:
        recordings.ask_again(connection, recording.id)
        again = recordings.finish(connection, recording.id, MatchStatus.FINGERPRINTED, Reason.TRUNCATED)
    transcription_submit(services, RecordingFingerprinted(again.id, MatchStatus.FINGERPRINTED, datetime.now(UTC), Reason.TRUNCATED))  # fmt: skip  # noqa: E501
    assert provider.posts == 1


def test_many_at_once_pay_once(services: Services, provider: Provider, record: Record) -> None:
    recording = record(6.0)

    def work(_: int) -> BaseException | None:
        try:
            transcribe(services, recording.id)
        except TransientError as error:
            return error
        return None

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert provider.posts == 1
    stored = transcripts.find(services.database, recording.id)
    assert stored is not None
    assert (stored.state, stored.attempts) == (TranscriptState.SUBMITTED, 1)


def test_two_at_once_do_not_both_fit_into_a_budget(
    make_services: Callable[..., Services], provider: Provider, record: Record
) -> None:
    services = make_services(transcription_budget="0.003h")
    recorded = [record(8.0) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda recording: transcribe(services, recording.id), recorded))
    states = sorted(str(each.state) for each in made if each is not None)
    assert states == ["over_budget", "over_budget", "over_budget", "submitted"]
    assert provider.posts == 1


def test_a_stretch_is_sent_when_who_has_it_waits_for_this_recording(
    services: Services, provider: Provider, record: Record
) -> None:
    """A whole recording and its excerpt, each found in the other; the excerpt was planned first, as the whole's."""
    whole = record(10.0)
    excerpt = record(8.0, (whole.id, match(0.0, 8.0, 1.0)), original=whole.id, reason=Reason.DUPLICATE)
    with services.database.transaction() as connection:
        matches.replace(connection, whole.id, [(excerpt.id, match(1.0, 9.0, 0.0))], "test")
    first, second = transcribe(services, excerpt.id), transcribe(services, whole.id)
    assert first is not None
    assert second is not None
    assert (first.state, first.paid_seconds) == (TranscriptState.WAITING, 0.0)
    assert second.state is TranscriptState.SUBMITTED
    assert second.paid_seconds == pytest.approx(10.0, abs=0.1)
    assert provider.posts == 1


def test_a_copy_whose_original_is_forgotten_while_it_waits_is_sent_itself(
    services: Services, provider: Provider, record: Record
) -> None:
    original = record(10.0)
    copy = record(10.0, (original.id, match(0.0, 10.0, 0.0)), original=original.id, reason=Reason.DUPLICATE)
    waiting = transcribe(services, copy.id)
    assert waiting is not None
    assert waiting.state is TranscriptState.WAITING
    with services.database.transaction() as connection:
        recordings.delete(connection, original.id)
        recordings.finish(connection, copy.id, MatchStatus.FINGERPRINTED, Reason.NEW, duration_seconds=10.0)
        matches.replace(connection, copy.id, [], "test")
    sent = transcribe(services, copy.id)
    assert sent is not None
    assert sent.state is TranscriptState.SUBMITTED
    assert sent.paid_seconds == pytest.approx(10.0, abs=0.1)
    assert provider.posts == 1
