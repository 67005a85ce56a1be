"""Jobs on voices end once, whatever dies on the way; a restart fails nobody's job."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from sonicgen.cloud.objects import list_objects
from sonicgen.domain.voice_job import VoiceJob, VoiceJobKind, VoiceJobStatus
from sonicgen.errors import LeaseHeldError, SettingsError, UnavailableError
from sonicgen.events.voice_job_requested import VoiceJobRequested
from sonicgen.steps import voice_jobs as steps
from sonicgen.steps.services import Services
from sonicgen.steps.voice_jobs import Asked, remove_old_jobs, submit, tell_lost_jobs, voice_job
from sonicgen.store import voice_jobs
from tests.unit.steps.speakers import ANNA, BERT, talk, write


@pytest.fixture
def talked(tmp_path: Path) -> Path:
    return write(tmp_path / "talk.flac", talk([("A", ANNA), ("B", BERT)] * 2))


def asked(services: Services, file: Path, kind: VoiceJobKind = VoiceJobKind.IDENTIFY, **more: bool) -> VoiceJob:
    return submit(services, Asked(kind, **more), file, file.name, owner="tester")


def event(job: VoiceJob) -> VoiceJobRequested:
    return VoiceJobRequested(job.id, datetime.now(UTC))


def status(services: Services, job: VoiceJob) -> VoiceJobStatus:
    return voice_jobs.get(services.database, job.id).status


def test_a_worker_that_dies_leaves_the_job_to_the_next(listening: Services, talked: Path) -> None:
    job = asked(listening, talked, exports_segments=True)
    ledger = listening.ledger
    # A worker in another process holds the lease and is working.
    held = ledger.claim(steps.FUNCTION, event(job).id)
    assert voice_jobs.start(listening.database, job.id) is not None
    with pytest.raises(LeaseHeldError):
        voice_job(listening, event(job))
    # Whoever starts meanwhile fails nobody's job.
    assert tell_lost_jobs(listening) == 0
    assert status(listening, job) is VoiceJobStatus.RUNNING
    held.release("killed")
    assert voice_job(listening, event(job)).value == {"job_id": str(job.id), "status": "DONE"}
    done = voice_jobs.get(listening.database, job.id)
    assert (done.attempts, done.num_speakers) == (2, 2)
    # The event comes once more: nothing happens.
    voice_job(listening, event(job))
    assert voice_jobs.get(listening.database, job.id) == done


def test_an_embedder_that_is_away_makes_the_event_come_again(
    listening: Services, talked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = asked(listening, talked, VoiceJobKind.DIARIZE)
    working = listening.embedder

    class Away:
        def diarize(self, *_: object) -> None:
            raise UnavailableError("The embedder does not answer.")

    monkeypatch.setitem(listening.__dict__, "embedder", Away())
    for _ in range(steps.MAXIMUM_ATTEMPTS - 1):
        with pytest.raises(UnavailableError):
            voice_job(listening, event(job))
        assert status(listening, job) is VoiceJobStatus.RUNNING
    with pytest.raises(UnavailableError):
        voice_job(listening, event(job))
    failed = voice_jobs.get(listening.database, job.id)
    assert failed.status is VoiceJobStatus.FAILED
    assert failed.error is not None
    assert "10 times" in failed.error
    monkeypatch.setitem(listening.__dict__, "embedder", working)
    voice_job(listening, event(job))
    assert status(listening, job) is VoiceJobStatus.FAILED  # it said so; whoever asked has been told


def test_a_job_whose_event_was_lost_is_told_again(listening: Services, talked: Path) -> None:
    job = asked(listening, talked, VoiceJobKind.DIARIZE)
    assert tell_lost_jobs(listening) == 0
    with listening.database.transaction() as connection:
        connection.execute("update voice_jobs set created_at = created_at - interval '1 hour' where id = %s", (job.id,))
    assert tell_lost_jobs(listening) == 1
    assert status(listening, job) is VoiceJobStatus.PENDING
    with listening.database.transaction() as connection:
        connection.execute("update voice_jobs set attempts = 10 where id = %s", (job.id,))
    assert tell_lost_jobs(listening) == 1
    assert status(listening, job) is VoiceJobStatus.FAILED


def test_old_jobs_go_with_their_sound(listening: Services, talked: Path) -> None:
    job, newer = (asked(listening, talked, VoiceJobKind.DIARIZE, exports_segments=True) for _ in range(2))
    for each in (job, newer):
        voice_job(listening, event(each))
    with listening.database.transaction() as connection:
        connection.execute(
            "update voice_jobs set completed_at = completed_at - interval '91 days' where id = %s", (job.id,)
        )
    assert remove_old_jobs(listening) == 1
    left = [each.id for each in voice_jobs.newest(listening.database, owner=None, offset=0, limit=9)]
    assert left == [newer.id]
    bucket = listening.settings.media_bucket
    assert list(list_objects(bucket, f"{steps.FOLDER}/{job.id}/")) == []
    assert list(list_objects(bucket, f"{steps.FOLDER}/{newer.id}/")) != []


def test_an_event_of_a_job_that_was_removed_is_over(listening: Services) -> None:
    gone = VoiceJobRequested(uuid4(), datetime.now(UTC))
    assert voice_job(listening, gone).value == {"job_id": str(gone.job_id), "status": "removed"}


def test_nothing_is_taken_in_that_nobody_can_work_on(services: Services, talked: Path) -> None:
    with pytest.raises(SettingsError, match="SONICGEN_EMBEDDER_URL"):
        asked(services, talked)
