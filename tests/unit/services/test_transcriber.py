"""AssemblyAI's SDK behind our interface, against a provider that speaks its HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from sonicgen.errors import InputError, NotFoundError, SettingsError, SonicGenError, UnavailableError
from sonicgen.services.transcriber import Transcriber, Webhook
from tests.cloud_fixture import Provider, line

KEY = uuid4()
HOOK = Webhook("https://hook.test/in?x=1", "X-Secret", "a long secret of ours")


@pytest.fixture
def transcriber(provider: Provider) -> Iterator[Transcriber]:
    made = Transcriber("assemblyai", "a key", provider.url, key_terms=("Ada", "Bombe"), webhook=HOOK)
    yield made
    made.close()


def test_a_job_from_upload_to_words(transcriber: Transcriber, provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "sound.flac"
    path.write_bytes(bytes(range(256)) * 5_000)
    address = transcriber.upload(path)
    assert provider.uploads[address] == path.read_bytes()
    job_id = transcriber.submit(address, KEY)
    asked = provider.jobs[job_id]
    assert asked["audio_url"] == address
    assert asked["keyterms_prompt"] == ["Ada", "Bombe"]
    assert asked["speaker_labels"]
    assert asked["language_detection"]
    assert asked["webhook_url"] == f"https://hook.test/in?x=1&submission={KEY}"
    assert (asked["webhook_auth_header_name"], asked["webhook_auth_header_value"]) == ("X-Secret", HOOK.secret)
    assert transcriber.fetch(job_id).status == "queued"
    provider.finish(job_id, [line("A", [("Good", 0.5, 0.8)])], new_field={"of": "theirs"})
    job = transcriber.fetch(job_id)
    assert (job.status, job.language, job.speech_model) == ("completed", "en", "test")
    assert [(each.speaker, each.text, each.words[0].start_seconds) for each in job.lines] == [("A", "Good", 0.5)]
    assert job.raw["new_field"] == {"of": "theirs"}, "kept as it came, also what the SDK does not know"


def test_without_a_webhook_and_words(provider: Provider) -> None:
    transcriber = Transcriber("local", "a key", f"{provider.url}/")
    job_id = transcriber.submit("https://cdn.test/1", KEY)
    assert not {"webhook_url", "keyterms_prompt"} & set(provider.jobs[job_id])
    transcriber.close()


def test_a_lost_job_is_found_by_its_upload(transcriber: Transcriber, provider: Provider) -> None:
    job_id = transcriber.submit("https://cdn.test/mine", KEY)
    for n in range(5):
        transcriber.submit(f"https://cdn.test/{n}", KEY)
    now = datetime.now(UTC)
    assert transcriber.find_job("https://cdn.test/mine", now - timedelta(days=400)) == job_id
    assert transcriber.find_job("https://cdn.test/other", now) is None


@pytest.mark.parametrize(
    ("status", "wanted"),
    [(400, InputError), (401, SettingsError), (403, SettingsError), (404, NotFoundError), (422, InputError),
     (429, UnavailableError), (500, UnavailableError), (502, UnavailableError)],
)  # fmt: skip
def test_refusals(transcriber: Transcriber, provider: Provider, status: int, wanted: type[SonicGenError]) -> None:
    for pattern, call in (
        (r"POST /v2/transcript", lambda: transcriber.submit("https://cdn.test/1", KEY)),
        (r"GET /v2/transcript/.*", lambda: transcriber.fetch("1")),
        (r"GET /v2/transcript\?.*", lambda: transcriber.find_job("x", datetime.now(UTC))),
        (r"GET /v2/transcript\?.*", transcriber.check),
    ):
        provider.failures.append((pattern, status, {"error": "They say why."}))
        with pytest.raises(wanted) as caught:
            call()
        assert type(caught.value) is wanted
        assert provider.failures == []


def test_nobody_answers_and_nonsense_is_answered(transcriber: Transcriber, provider: Provider) -> None:
    provider.jobs["odd"] = {"id": "odd", "status": "completed", "audio_url": "x", "utterances": 7}
    with pytest.raises(InputError, match="something unknown"):
        transcriber.fetch("odd")
    nobody = Transcriber("assemblyai", "a key", "http://127.0.0.1:9")
    with pytest.raises(UnavailableError):
        nobody.fetch("1")
    nobody.close()


def test_no_speech_is_a_finding(transcriber: Transcriber, provider: Provider) -> None:
    provider.jobs["1"] = {
        "id": "1", "status": "error", "audio_url": "x",
        "error": "language_detection cannot be performed on files with no spoken audio.",
    }  # fmt: skip
    assert transcriber.fetch("1").is_without_speech
    provider.jobs["1"]["error"] = "Transcoding failed."
    assert not transcriber.fetch("1").is_without_speech
