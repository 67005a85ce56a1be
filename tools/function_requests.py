"""A request for every function, as the cloud sends it: the recorded ones of tests/events."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import httpx

from sonicgen.errors import SonicGenError
from sonicgen.settings import REPOSITORY

EVENTS = REPOSITORY / "tests" / "events"
# Each function's request and what is to be answered. What they tell of exists nowhere, which is no failure.
REQUESTS = {
    "channel_ingest": ("channel_ingest_raw_push", 200),
    "fingerprint_match": ("storage_notification_raw_push", 200),
    "maintenance": ("maintenance_raw_push", 200),
    "speaker_clips": ("transcript_ready_native", 200),
    "speaker_identify": ("clips_ready_native", 200),
    "transcript_fetch": ("transcript_completed_native", 200),
    "transcript_inherit": ("transcript_ready_native", 200),
    "transcription_submit": ("recording_fingerprinted_native", 200),
    "transcription_webhook": ("assemblyai_callback", 204),
    "video_download": ("video_discovered_native", 200),
    "voice_job": ("voice_job_requested_native", 200),
    "websub_callback": ("websub_push", 404),
}
# What the callback in `assemblyai_callback` proves itself with.
SECRET = json.loads((EVENTS / "assemblyai_callback.json").read_text())["headers"]["x-sonicgen-webhook-secret"]
# A first request waits for the worker, which may read everything from disk for the first time.
ANSWER_SECONDS = 120.0


class WrongAnswerError(SonicGenError):
    """A function answers something else than it should; its log says why."""


@dataclass(frozen=True)
class Answer:
    """How a function answered, and after how long."""

    status: int
    seconds: float


def ask(name: str, address: str) -> Answer:
    """Send a function its request; raise WrongAnswerError for another status than the right one."""
    file, right = REQUESTS[name]
    request = json.loads((EVENTS / f"{file}.json").read_text())
    started = time.monotonic()
    answer = httpx.post(
        address + request["path"],
        content=json.dumps(request["body"]),
        headers=request["headers"],
        timeout=ANSWER_SECONDS,
    )
    if answer.status_code != right:
        raise WrongAnswerError(f"{name} answers {answer.status_code}, not {right}: {answer.text[:500]}")
    return Answer(answer.status_code, time.monotonic() - started)
