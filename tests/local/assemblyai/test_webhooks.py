"""Webhooks are called as AssemblyAI calls them."""

from __future__ import annotations

import time

from tests.local.assemblyai.conftest import Listener, StandIn, until


def test_a_webhook_carries_id_status_and_secret(stand_in: StandIn, listener: Listener) -> None:
    job = stand_in.order(listener)
    until(lambda: listener.of(job))
    call = listener.of(job)[0]
    headers = {name.lower(): value for name, value in call.pop("headers").items()}
    assert {key: call[key] for key in ("transcript_id", "status")} == {"transcript_id": job, "status": "completed"}
    assert headers["x-secret"] == "psst"
    assert headers["x-forwarded-for"] == "44.238.19.20"
    assert headers["content-type"] == "application/json"
    until(lambda: stand_in.get(job)["webhook_status_code"] == 200)
    body = stand_in.get(job)
    assert body["webhook_auth"] is True
    assert "psst" not in str(body), "the secret is not told again"


def test_a_failed_transcript_is_told_too(stand_in: StandIn, listener: Listener) -> None:
    stand_in.break_at("work", error="Audio is too quiet")
    job = stand_in.order(listener)
    until(lambda: listener.of(job))
    assert listener.of(job)[0]["status"] == "error"
    assert stand_in.get(job)["error"] == "Audio is too quiet"


def test_it_is_tried_again_until_it_succeeds(stand_in: StandIn, listener: Listener) -> None:
    listener.statuses = [500, 503, 301]
    job = stand_in.order(listener)
    until(lambda: len(listener.of(job)) == 4)
    time.sleep(0.3)
    assert len(listener.of(job)) == 4
    assert stand_in.get(job)["webhook_status_code"] == 200


def test_ten_tries_and_no_more(stand_in: StandIn, listener: Listener) -> None:
    listener.statuses = [500] * 20
    job = stand_in.order(listener)
    until(lambda: len(listener.of(job)) == 10)
    time.sleep(0.3)
    assert len(listener.of(job)) == 10
    assert stand_in.get(job)["webhook_status_code"] == 500


def test_a_4xx_ends_the_tries_for_ever(stand_in: StandIn, listener: Listener) -> None:
    listener.statuses = [404]
    job = stand_in.order(listener)
    until(lambda: stand_in.get(job)["webhook_status_code"] == 404)
    time.sleep(0.3)
    assert len(listener.of(job)) == 1


def test_a_slow_answer_counts_as_none(stand_in: StandIn, listener: Listener) -> None:
    listener.wait_seconds = 1.5
    job = stand_in.order(listener)
    until(lambda: len(listener.of(job)) == 2)
    first, second = (call["at"] for call in listener.of(job)[:2])
    assert 0.9 < second - first < 2.5
    listener.wait_seconds = 0


def test_it_can_be_told_to_call_twice_late_or_never(stand_in: StandIn, listener: Listener) -> None:
    stand_in.break_at("webhook", calls=2)
    twice = stand_in.order(listener)
    until(lambda: len(listener.of(twice)) == 2)
    stand_in.break_at("webhook", calls=0)
    never = stand_in.order(listener)
    stand_in.break_at("webhook", delay_seconds=0.6)
    began = time.monotonic()
    late = stand_in.order(listener)
    until(lambda: listener.of(late))
    assert listener.of(late)[0]["at"] - began > 0.6
    assert stand_in.get(never)["status"] == "completed"
    assert not listener.of(never)
