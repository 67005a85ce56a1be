"""The older voice service's API: its routes, parameters, answers and wrapper, without what was wrong with it."""

from __future__ import annotations

import io
import threading
import wave
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from sonicgen.cloud.objects import list_objects
from sonicgen.console import access, problems, voice_biometrics, voice_forms
from sonicgen.domain.role import Role
from sonicgen.domain.voice_job import VoiceJobStatus
from sonicgen.events.voice_job_requested import VoiceJobRequested
from sonicgen.steps.services import Services
from sonicgen.steps.voice_jobs import voice_job
from sonicgen.store import voice_jobs
from tests.unit.steps.conftest import pitch_embedder  # noqa: F401
from tests.unit.steps.speakers import ANNA, BERT, CARL, talk, write
from tests.unit.voices.signals import Voice

CONSENT = {"consent_by": "Anna Example", "consent_purpose": "naming her in our meetings"}


@pytest.fixture
def listening(make_services: Callable[..., Services], pitch_embedder: str) -> Services:  # noqa: F811
    return make_services(embedder_url=pitch_embedder, access="open", enrolment_seconds=6.0)


@pytest.fixture
def client(listening: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    for module in (access, voice_biometrics, voice_forms):
        monkeypatch.setattr(module, "services", lambda: listening)
    app = FastAPI()
    problems.install(app)
    app.include_router(voice_biometrics.router)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/biometric/api", timeout=60.0) as made:
        yield made
    server.should_exit = True
    thread.join()


def file_of(folder: Path, turns: list[tuple[str, Voice]], seed: int = 1) -> tuple[str, bytes, str]:
    path = write(folder / f"{uuid4()}.flac", talk(turns, seed))
    return path.name, path.read_bytes(), "audio/flac"


def data_of(response: Any, status: int = 200) -> Any:
    body = response.json()
    assert (response.status_code, body["success"], body["error"]) == (status, True, None), body
    return body["data"]


def error_of(response: Any, status: int) -> str:
    body = response.json()
    assert (response.status_code, body["success"], body["data"]) == (status, False, None), body
    return str(body["error"])


def enrol(client: httpx.Client, folder: Path, name: str, voice: Voice, **more: str) -> Any:
    files = [("files", file_of(folder, [("A", voice)] * 3, seed)) for seed in (31, 32)]
    return client.post("/speakers/enroll", data={"name": name, **CONSENT, **more}, files=files)


def work(services: Services, job_id: str) -> None:
    voice_job(services, VoiceJobRequested(UUID(job_id), datetime.now(UTC)))


def longer(segments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the segments of 2 s and more: made voices can sound like two at once, which adds a short one."""
    return [each for each in segments if each["end_sec"] - each["start_sec"] > 2]


def test_enrol_identify_poll_and_listen(client: httpx.Client, listening: Services, tmp_path: Path) -> None:
    enrolled = data_of(enrol(client, tmp_path, "Anna", ANNA))
    speaker = enrolled["speaker"]
    assert {"id", "name", "sample_count", "created_at"} == set(speaker)
    assert (speaker["name"], speaker["sample_count"]) == ("Anna", 2)
    whole = data_of(client.get(f"/speakers/{speaker['id']}"))
    assert enrolled["embeddings_added"] == whole["embedding_count"] >= 2
    assert 29 < enrolled["total_duration_sec"] < 31

    talked = file_of(tmp_path, [("A", ANNA), ("B", CARL)] * 2, seed=4)
    job = data_of(client.post("/identify", data={"export_segments": "true"}, files={"file": talked}), 202)
    assert (job["type"], job["status"]) == ("IDENTIFY", "PENDING")
    assert "segments" not in job
    work(listening, job["id"])
    done = data_of(client.get(f"/jobs/{job['id']}"))
    assert (done["status"], done["num_speakers"], done["diarizer_backend"]) == ("DONE", 2, done["diarizer_backend"])
    assert done["diarizer_backend"]
    assert done["model"] == "pitch-1"
    assert 19 < done["duration_sec"] < 21
    turns = longer(done["segments"])
    assert [segment["matched_name"] for segment in turns] == ["Anna", "UNKNOWN"] * 2
    first, second = turns[:2]
    assert first["matched_speaker_id"] == speaker["id"]
    assert second["matched_speaker_id"] is None
    assert first["confidence"] >= done["thresholds"]["probability"] > second["confidence"]
    assert {"SPEAKER_00", "SPEAKER_01"} == {segment["diarization_label"] for segment in done["segments"]}

    sound = client.get(first["audio_url"])
    assert (sound.status_code, sound.headers["content-type"]) == (200, "audio/wav")
    with wave.open(io.BytesIO(sound.content)) as read:
        seconds = read.getnframes() / read.getframerate()
    assert seconds == pytest.approx(first["end_sec"] - first["start_sec"], abs=0.01)
    # The upload itself is gone; the clips stay until they are forgotten.
    left = [each.name for each in list_objects(listening.settings.media_bucket, f"voice-jobs/{job['id']}/")]
    assert len(left) == len(done["segments"])

    forgotten = data_of(client.delete(f"/speakers/{speaker['id']}"))
    assert forgotten["traces"]["is_clean"]
    again = data_of(client.get(f"/jobs/{job['id']}"))
    assert {segment["matched_name"] for segment in again["segments"]} == {"UNKNOWN"}
    assert [segment["has_audio"] for segment in longer(again["segments"])] == [False, True] * 2
    assert "no sound" in error_of(client.get(first["audio_url"]), 404)


def test_sync_waits_for_the_end(client: httpx.Client, listening: Services, tmp_path: Path) -> None:
    def worker() -> None:
        while not (jobs := voice_jobs.newest(listening.database, owner=None, offset=0, limit=1)):
            threading.Event().wait(0.05)
        work(listening, str(jobs[0].id))

    thread = threading.Thread(target=worker)
    thread.start()
    # As older clients send it: in the address instead of the form.
    answer = client.post(
        "/diarize?sync=true&num_speakers=2", files={"file": file_of(tmp_path, [("A", ANNA), ("B", BERT)] * 2)}
    )
    thread.join()
    done = data_of(answer)
    assert (done["type"], done["status"], done["num_speakers"]) == ("DIARIZE", "DONE", 2)
    assert all("matched_name" not in segment for segment in done["segments"])
    assert all(segment["audio_url"] is None for segment in done["segments"])


def test_one_person_alone_is_one_voice(client: httpx.Client, listening: Services, tmp_path: Path) -> None:
    job = data_of(client.post("/diarize", files={"file": file_of(tmp_path, [("A", ANNA)] * 3)}), 202)
    work(listening, job["id"])
    assert data_of(client.get(f"/jobs/{job['id']}"))["num_speakers"] == 1


def test_the_threshold_is_a_probability_and_the_callers_decides(
    client: httpx.Client, listening: Services, tmp_path: Path
) -> None:
    data_of(enrol(client, tmp_path, "Anna", ANNA))
    said = file_of(tmp_path, [("A", ANNA)] * 2, seed=8)
    asked = {"threshold": "0.99999999999"}
    job = data_of(client.post("/identify", data=asked, files={"file": said}), 202)
    work(listening, job["id"])
    done = data_of(client.get(f"/jobs/{job['id']}"))
    assert done["thresholds"]["probability"] == 0.99999999999
    assert {segment["matched_name"] for segment in done["segments"]} == {"UNKNOWN"}
    for wrong in ("0", "1", "75", "x"):
        answer = client.post("/identify", data={"threshold": wrong}, files={"file": said})
        assert "probability" in error_of(answer, 422)


def test_a_file_that_is_none_fails_with_a_sentence(client: httpx.Client, listening: Services) -> None:
    job = data_of(client.post("/identify", files={"file": ("a.wav", b"no sound at all", "audio/wav")}), 202)
    work(listening, job["id"])
    failed = data_of(client.get(f"/jobs/{job['id']}"))
    assert failed["status"] == "FAILED"
    assert failed["error"]
    assert failed["completed_at"]
    assert list(list_objects(listening.settings.media_bucket, f"voice-jobs/{job['id']}/")) == []


def test_nobody_is_enrolled_without_consent_or_in_halves(client: httpx.Client, tmp_path: Path) -> None:
    files = [("files", file_of(tmp_path, [("A", ANNA)] * 3))]
    assert "consent" in error_of(client.post("/speakers/enroll", data={"name": "Anna"}, files=files), 422)
    bad = [*files, ("files", ("short.flac", file_of(tmp_path, [("A", ANNA)])[1][:9_000], "audio/flac"))]
    answer = client.post("/speakers/enroll", data={"name": "Anna", **CONSENT}, files=bad)
    assert "short.flac" in error_of(answer, 422)
    assert data_of(client.get("/speakers")) == []
    assert "name" in error_of(client.post("/speakers/enroll", data=CONSENT, files=files), 422)
    data_of(enrol(client, tmp_path, "Anna", ANNA))
    assert error_of(enrol(client, tmp_path, "anna", BERT), 409)
    [shown] = data_of(client.get("/speakers?limit=1&offset=0"))
    whole = data_of(client.get(f"/speakers/{shown['id']}"))
    assert (whole["name"], set(whole["embeddings_by_model"])) == ("Anna", {"pitch-1"})
    assert "vector" not in whole


def test_every_error_has_the_wrapper(client: httpx.Client) -> None:
    for path in ("/jobs", "/speakers"):
        assert "there is no" in error_of(client.get(f"{path}/{uuid4()}"), 404).lower()
    assert error_of(client.get("/jobs/none"), 422)
    assert error_of(client.get("/jobs?limit=0"), 422)
    assert "form" in error_of(client.post("/identify", content=b"x", headers={"content-type": "audio/wav"}), 415)
    assert "`file`" in error_of(client.post("/identify", files={"other": ("a", b"x")}), 422)
    flag = client.post("/identify", data={"sync": "perhaps"}, files={"file": ("a", b"x")})
    assert "`sync`" in error_of(flag, 422)


def test_who_is_unknown_may_do_nothing(
    client: httpx.Client, make_services: Callable[..., Services], monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = make_services(access="keys")
    for module in (access, voice_biometrics, voice_forms):
        monkeypatch.setattr(module, "services", lambda: locked)
    for method, path in (
        ("post", "/speakers/enroll"), ("get", "/speakers"), ("get", f"/speakers/{uuid4()}"),
        ("delete", f"/speakers/{uuid4()}"), ("post", "/identify"), ("post", "/diarize"), ("get", "/jobs"),
        ("get", f"/jobs/{uuid4()}"), ("get", f"/segments/{uuid4()}/audio/{uuid4()}"),
    ):  # fmt: skip
        assert error_of(getattr(client, method)(path), 401)


def test_jobs_of_others_are_nobodys_business(
    client: httpx.Client, listening: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job = data_of(client.post("/diarize", files={"file": file_of(tmp_path, [("A", ANNA)])}), 202)
    viewer = access.Caller("key:other", "other", Role.VIEWER)
    monkeypatch.setattr(access, "_identify", lambda _: viewer)
    assert data_of(client.get("/jobs")) == []
    assert error_of(client.get(f"/jobs/{job['id']}"), 404)
    assert voice_jobs.get(listening.database, UUID(job["id"])).status is VoiceJobStatus.PENDING
