"""Our own client of AssemblyAI against the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from sonicgen.errors import InputError, NotFoundError, SettingsError, UnavailableError
from sonicgen.services.transcriber import Transcriber, Webhook
from tests.local.assemblyai.conftest import KEY, Listener, StandIn, until


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound.wav"
    path.write_bytes(b"sound")
    return path


@pytest.fixture
def transcriber(stand_in: StandIn, listener: Listener) -> Iterator[Transcriber]:
    webhook = Webhook(listener.url, "X-Secret", "psst")
    client = Transcriber("local", KEY, stand_in.url, key_terms=["SonicGen"], webhook=webhook)
    yield client
    client.close()


def test_from_upload_to_words(transcriber: Transcriber, listener: Listener, sound: Path) -> None:
    job_id = transcriber.submit(transcriber.upload(sound), uuid4())
    until(lambda: listener.of(job_id))
    job = transcriber.fetch(job_id)
    assert job.status == "completed"
    assert [(line.speaker, line.start_seconds) for line in job.lines] == [("A", 0.5), ("B", 3.0)]
    assert job.raw["sonicgen_local"] is True
    assert job.speech_model == "sonicgen-local-given"


def test_a_job_whose_answer_was_lost_is_found(transcriber: Transcriber, stand_in: StandIn, sound: Path) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    url = transcriber.upload(sound)
    assert transcriber.find_job(url, since) is None
    stand_in.break_at("submit", drop=True, after=True)
    with pytest.raises(UnavailableError):
        transcriber.submit(url, uuid4())
    found = transcriber.find_job(url, since)
    assert found is not None
    assert transcriber.fetch(found).audio_url == url


def test_refusals_are_told_apart(transcriber: Transcriber, stand_in: StandIn) -> None:
    with pytest.raises(NotFoundError):
        transcriber.fetch("nothing")
    with pytest.raises(InputError):
        transcriber.submit("nowhere", uuid4())
    stand_in.break_at("submit", status=429, retry_after=1)
    with pytest.raises(UnavailableError):
        transcriber.submit("http://127.0.0.1:9/x", uuid4())
    stranger = Transcriber("local", "wrong", stand_in.url)
    with pytest.raises(SettingsError, match="ASSEMBLYAI_API_KEY"):
        stranger.fetch("nothing")
    stranger.close()
