"""The real SDK against the stand-in: upload, submit, get, list, delete, the other forms."""

from __future__ import annotations

import hashlib
import io

import assemblyai as aai
import httpx
import psutil
import pytest
from assemblyai.prerecorded.v2 import api

from tests.local.assemblyai.conftest import ANSWER, KEY, WITH_SPEAKERS, StandIn, until


def test_sound_becomes_words_with_speakers_and_times(stand_in: StandIn) -> None:
    transcript = stand_in.sdk.transcribe(io.BytesIO(b"sound"), WITH_SPEAKERS)
    assert transcript.status == aai.TranscriptStatus.completed
    assert transcript.text == "Where does this come from? From the other one."
    assert [(line.speaker, line.start, line.end) for line in transcript.utterances or []] == [
        ("A", 500, 2500),
        ("B", 3000, 5000),
    ]
    assert [word.text for word in (transcript.words or [])[:2]] == ["Where", "does"]
    assert transcript.words is not None
    assert (transcript.words[1].start, transcript.words[1].end, transcript.words[1].speaker) == (900, 1300, "A")
    assert transcript.audio_duration == 9
    assert transcript.language_code == "en"
    assert transcript.speech_model_used == "sonicgen-local-given"
    assert transcript.id is not None
    assert stand_in.get(transcript.id)["sonicgen_local"] is True


def test_an_answer_may_be_given_for_one_file_alone(stand_in: StandIn) -> None:
    stand_in.give({"utterances": []}, hashlib.sha256(b"silence").hexdigest())
    assert stand_in.sdk.transcribe(io.BytesIO(b"silence")).text == ""
    assert stand_in.sdk.transcribe(io.BytesIO(b"sound")).text


def test_submit_answers_before_the_work_is_done(stand_in: StandIn) -> None:
    stand_in.break_at("work", delay_seconds=0.5)
    config = aai.TranscriptionConfig(speaker_labels=True, keyterms_prompt=["SonicGen"], word_boost=["Ada"])
    transcript = stand_in.sdk.submit(io.BytesIO(b"sound"), config)
    assert transcript.status == aai.TranscriptStatus.queued
    assert transcript.id is not None
    body = stand_in.get(transcript.id)
    assert body["keyterms_prompt"] == ["SonicGen"], "what was asked for is in the answer"
    assert body["text"] is None
    assert transcript.wait_for_completion().status == aai.TranscriptStatus.completed


def test_a_large_upload_does_not_live_in_memory(stand_in: StandIn) -> None:
    process = psutil.Process(stand_in.process.pid)
    stand_in.sdk.upload_file(io.BytesIO(b"warm"))
    before = process.memory_info().rss
    stand_in.sdk.upload_file(io.BytesIO(bytes(64 * 2**20)))
    after = process.memory_info().rss
    assert after - before < 16 * 2**20
    assert after < 80 * 2**20, "the idle stand-in stays small"


@pytest.mark.parametrize("key", ["", "wrong", "Bearer wrong"])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v2/upload"), ("POST", "/v2/transcript"), ("GET", "/v2/transcript/x")]
)
def test_a_wrong_key_is_refused(stand_in: StandIn, key: str, method: str, path: str) -> None:
    response = httpx.request(method, f"{stand_in.url}{path}", headers={"authorization": key}, content=b"{}")
    assert response.status_code == 401
    assert "API token" in response.json()["error"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"no json", "JSON"),
        (b"[]", "JSON object"),
        (b"{}", "audio_url"),
        (b'{"audio_url": "file:///etc/passwd"}', "audio_url"),
        (b'{"audio_url": "http://a/b", "webhook_url": 7}', "webhook_url"),
        (b'{"audio_url": "http://a/b", "webhook_auth_header_name": "X"}', "webhook_auth_header_value"),
    ],
)
def test_a_wrong_order_is_refused(stand_in: StandIn, body: bytes, named: str) -> None:
    response = httpx.post(f"{stand_in.url}/v2/transcript", headers={"authorization": KEY}, content=body)
    assert response.status_code == 400
    assert named in response.json()["error"]


def test_an_empty_upload_is_refused(stand_in: StandIn) -> None:
    with pytest.raises(aai.TranscriptError, match="empty"):
        stand_in.sdk.upload_file(b"")


def test_an_unknown_transcript_is_refused(stand_in: StandIn) -> None:
    with pytest.raises(aai.TranscriptError, match="not found") as caught:
        api.get_transcript(stand_in.client.http_client, "nothing")
    assert caught.value.status_code == 400


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/sound.wav", "http://169.254.169.254/secrets"])
def test_only_own_uploads_and_the_embedded_storage_are_read(stand_in: StandIn, url: str) -> None:
    transcript = stand_in.sdk.transcribe(url)
    assert transcript.status == aai.TranscriptStatus.error
    assert "unable to download" in (transcript.error or "")


def test_the_list_is_paged_newest_first(stand_in: StandIn) -> None:
    ids = [stand_in.sdk.transcribe(io.BytesIO(b"sound")).id for _ in range(5)]
    newest = stand_in.sdk.list_transcripts(aai.ListTranscriptParameters(limit=2))
    assert [item.id for item in newest.transcripts] == [ids[4], ids[3]]
    assert newest.page_details.before_id_of_prev_url == ids[3]
    older = stand_in.sdk.list_transcripts(aai.ListTranscriptParameters(limit=2, before_id=ids[3]))
    assert [item.id for item in older.transcripts] == [ids[2], ids[1]]
    newer = stand_in.sdk.list_transcripts(aai.ListTranscriptParameters(limit=2, after_id=ids[0]))
    assert [item.id for item in newer.transcripts] == [ids[2], ids[1]], "the next newer ones, not the newest"
    stand_in.break_at("work", error="no")
    failed = stand_in.sdk.transcribe(io.BytesIO(b"sound"))
    errors = stand_in.sdk.list_transcripts(aai.ListTranscriptParameters(limit=1, status=aai.TranscriptStatus.error))
    assert [item.id for item in errors.transcripts] == [failed.id]
    assert errors.transcripts[0].error == "no"


def test_deleting_leaves_nothing_of_what_was_said(stand_in: StandIn) -> None:
    transcript = stand_in.sdk.transcribe(io.BytesIO(b"sound"), WITH_SPEAKERS)
    assert transcript.id is not None
    gone = api.delete_transcript(stand_in.client.http_client, transcript.id)
    assert gone.text == "Deleted by user."
    body = stand_in.get(transcript.id)
    assert body["words"] is None
    assert body["utterances"] is None
    assert body["audio_url"] == "http://deleted_by_user"


def test_sound_goes_when_nobody_waits_for_it_any_more(stand_in: StandIn) -> None:
    before = set(stand_in.uploads.iterdir())
    url = stand_in.sdk.upload_file(io.BytesIO(b"sound of two orders"))
    stand_in.break_at("work", delay_seconds=0.2)
    first = stand_in.sdk.submit(url)
    stand_in.break_at("work", delay_seconds=2.0)
    second = stand_in.sdk.submit(url)
    assert first.wait_for_completion().status == aai.TranscriptStatus.completed
    assert len(set(stand_in.uploads.iterdir()) - before) == 1, "the other order waits for it"
    assert second.wait_for_completion().status == aai.TranscriptStatus.completed
    until(lambda: set(stand_in.uploads.iterdir()) == before, 5)
    assert stand_in.sdk.transcribe(url).error, "as the real one: what was transcribed has to be uploaded again"
    stand_in.break_at("work", delay_seconds=60)
    waiting = stand_in.sdk.submit(io.BytesIO(b"sound of an order that is taken back"))
    until(lambda: len(set(stand_in.uploads.iterdir()) - before) == 1, 5)
    api.delete_transcript(stand_in.client.http_client, waiting.id or "")
    assert set(stand_in.uploads.iterdir()) == before


def test_the_other_forms(stand_in: StandIn) -> None:
    transcript = stand_in.sdk.transcribe(io.BytesIO(b"sound"), WITH_SPEAKERS)
    assert [one.text for one in transcript.get_sentences()] == ["Where does this come from?", "From the other one."]
    assert [(one.start, one.end) for one in transcript.get_paragraphs()] == [(500, 2500), (3000, 5000)]
    assert "00:00:03,000 --> 00:00:05,000" in transcript.export_subtitles_srt()
    assert transcript.export_subtitles_vtt().startswith("WEBVTT")
    found = transcript.word_search(["from", "nowhere"])
    assert [(one.text, one.count) for one in found] == [("from", 2)]


def test_a_storage_object_is_read(stand_in: StandIn, tmp_path_factory: pytest.TempPathFactory) -> None:
    """An address on the embedded Cloud Storage, and no other server, is fetched."""
    from tests.local.assemblyai.conftest import Listener

    storage = Listener()  # any HTTP server: here one that answers GET with 501
    own = StandIn(tmp_path_factory.mktemp("with_storage"), storage_url=storage.url)
    try:
        own.give(ANSWER)
        transcript = own.sdk.transcribe(storage.url)
        assert "501" in (transcript.error or ""), "it was asked"
    finally:
        own.close()
        storage.close()


def test_faults_that_mean_nothing_are_refused(stand_in: StandIn) -> None:
    for wrong in ({"place": "moon", "status": 500}, {"place": "get"}, {"place": "get", "statsu": 500}):
        response = httpx.post(f"{stand_in.url}/_faults", json=wrong)
        assert response.status_code == 400
    assert httpx.post(f"{stand_in.url}/_answers", json={"default": {"utterances": [{}]}}).status_code == 400


def test_jobs_are_done_in_the_order_in_which_they_came(stand_in: StandIn) -> None:
    ids = [str(stand_in.sdk.submit(io.BytesIO(b"sound")).id) for _ in range(4)]
    until(lambda: all(stand_in.get(one)["status"] == "completed" for one in ids))
    listed = stand_in.sdk.list_transcripts(aai.ListTranscriptParameters(limit=4)).transcripts
    done = [item.completed or "" for item in listed]
    assert done == sorted(done, reverse=True)
