"""The stand-in fails as it is told, and loses nothing when it dies."""

from __future__ import annotations

import io

import assemblyai as aai
import httpx
import pytest

from tests.local.assemblyai.conftest import KEY, Listener, StandIn, until


def post(stand_in: StandIn) -> httpx.Response:
    body = {"audio_url": f"{stand_in.url}/upload/x"}
    return httpx.post(f"{stand_in.url}/v2/transcript", headers={"authorization": KEY}, json=body)


def newest(stand_in: StandIn) -> str:
    return str(stand_in.sdk.list_transcripts(aai.ListTranscriptParameters(limit=1)).transcripts[0].id)


def test_a_number_of_calls_fail(stand_in: StandIn) -> None:
    stand_in.break_at("submit", status=500, times=2)
    assert [post(stand_in).status_code for _ in range(3)] == [500, 500, 200]


def test_a_rate_limit_says_when_to_come_again(stand_in: StandIn) -> None:
    stand_in.break_at("submit", status=429, retry_after=3)
    response = post(stand_in)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "3"
    assert response.json()["error"]


def test_a_call_may_take_effect_and_its_answer_be_lost(stand_in: StandIn) -> None:
    before = newest(stand_in) if post(stand_in).status_code == 200 else ""
    stand_in.break_at("submit", drop=True)
    with pytest.raises(httpx.TransportError):
        post(stand_in)
    assert newest(stand_in) == before, "lost on the way there"
    stand_in.break_at("submit", drop=True, after=True)
    with pytest.raises(httpx.TransportError):
        post(stand_in)
    assert newest(stand_in) != before, "lost on the way back"


def test_it_dies_between_accepting_and_answering(own_stand_in: StandIn, listener: Listener) -> None:
    own_stand_in.break_at("submit", exit=True, after=True)
    with pytest.raises((httpx.TransportError, aai.AssemblyAIError)):
        own_stand_in.order(listener)
    own_stand_in.process.wait(5)
    own_stand_in.restart()
    job = newest(own_stand_in)
    until(lambda: listener.of(job))
    assert own_stand_in.get(job)["status"] == "completed"


def test_it_dies_in_the_middle_of_its_work(own_stand_in: StandIn, listener: Listener) -> None:
    own_stand_in.break_at("work", exit=True)
    first, second = own_stand_in.order(listener), None
    own_stand_in.process.wait(5)
    own_stand_in.restart()
    second = own_stand_in.order(listener)
    until(lambda: listener.of(first) and listener.of(second))
    assert own_stand_in.get(first)["text"] == own_stand_in.get(second)["text"]


def test_a_webhook_outlives_a_kill(own_stand_in: StandIn, listener: Listener) -> None:
    own_stand_in.break_at("webhook", delay_seconds=1.0)
    job = own_stand_in.order(listener)
    until(lambda: own_stand_in.get(job)["status"] == "completed")
    own_stand_in.restart()
    until(lambda: listener.of(job))
    assert own_stand_in.sdk.transcribe(io.BytesIO(b"more")).text, "the given answers are still there"
