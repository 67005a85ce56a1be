"""From a dropped file to words, once and for one price, in a whole embedded cloud with the stand-in for AssemblyAI."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from sonicgen.cloud.ledger_entry import Outcome
from sonicgen.cloud.objects import list_objects
from sonicgen.domain.transcript import Part, Transcript, TranscriptState
from sonicgen.events.transcript_completed import TranscriptCompleted
from sonicgen.local.demo_sounds import RATE_HZ, write_sound
from sonicgen.steps.add_recording import add_recording
from sonicgen.steps.forget_recording import forget_recording
from sonicgen.steps.services import WEBHOOK_HEADER
from sonicgen.store import costs, transcripts, utterances
from tests.acceptance.conftest import Cloud, cloud, killing_functions, sound, wait_for

pytestmark = pytest.mark.timeout(180)
SECONDS = 36.0
# A word each second, two speakers in turns of six seconds.
ANSWER = {
    "audio_duration": SECONDS,
    "utterances": [
        {
            "speaker": "AB"[turn % 2], "start": turn * 6000, "end": turn * 6000 + 5700, "confidence": 0.9,
            "text": " ".join(f"w{turn * 6 + n}" for n in range(6)),
            "words": [
                {"text": f"w{turn * 6 + n}", "start": (turn * 6 + n) * 1000 + 200, "end": (turn * 6 + n) * 1000 + 700,
                 "confidence": 0.9, "speaker": "AB"[turn % 2]}
                for n in range(6)
            ],
        }
        for turn in range(6)
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An embedded cloud that transcribes, whose submissions can be told to die, and that looks after itself often."""
    functions = killing_functions(tmp_path_factory.mktemp("functions") / "all")
    environment = {
        "SONICGEN_TRANSCRIPTION": "local", "SONICGEN_FUNCTIONS": str(functions), "SONICGEN_LEASE_SECONDS": "2",
        "SONICGEN_MAINTENANCE_SECONDS": "1", "SONICGEN_TRANSCRIPTION_POLL_SECONDS": "2",
    }  # fmt: skip
    with cloud(tmp_path_factory.mktemp("data"), **environment) as running:
        tell(running, "answers", {"default": ANSWER})
        yield running


def stand_in(system: Cloud) -> httpx.Client:
    url = system.services.settings.local_transcriber_url
    assert url is not None
    return httpx.Client(base_url=url, headers={"authorization": "local"}, timeout=30)


def tell(system: Cloud, lever: str, order: dict[str, Any]) -> None:
    """Give the stand-in an order."""

    def post() -> bool:
        try:
            with stand_in(system) as client:
                client.post(f"/_{lever}", json=order).raise_for_status()
        except httpx.TransportError:
            return False
        return True

    wait_for(post)


def jobs(system: Cloud) -> list[dict[str, Any]]:
    with stand_in(system) as client:
        found: list[dict[str, Any]] = client.get("/v2/transcript", params={"limit": 200}).json()["transcripts"]
    return found


def over(system: Cloud, recording: UUID, timeout: float = 60) -> Transcript:
    def look() -> Transcript | None:
        found = transcripts.find(system.services.database, recording)
        return found if found and (found.is_complete or found.state is TranscriptState.FAILED) else None

    return wait_for(look, timeout)


def add(system: Cloud, path: Path) -> UUID:
    return add_recording(system.services.settings, path).recording_id


def test_a_repost_of_the_middle_third_is_free(speaking: Cloud, tmp_path: Path) -> None:
    whole = sound(700, SECONDS)
    original, repost = tmp_path / "talk.mp3", tmp_path / "middle.opus"
    write_sound(original, whole)
    write_sound(repost, whole[int(12 * RATE_HZ) : int(24 * RATE_HZ)], bit_rate=48_000)
    before = len(jobs(speaking))
    first = add(speaking, original)
    speaking.final(original.name)
    second = add(speaking, repost)
    assert over(speaking, first).state is TranscriptState.READY
    inherited = over(speaking, second)
    assert (inherited.state, inherited.paid_seconds) == (TranscriptState.INHERITED, 0.0)
    assert len(jobs(speaking)) - before == 1, "one paid transcript"
    words = [word for line in utterances.of(speaking.services.database, second) for word in line.words]
    assert [word.text for word in words] == [f"w{n}" for n in range(12, 24)]
    for n, word in enumerate(words):
        assert word.start_seconds == pytest.approx(n + 0.2, abs=0.05)
        assert word.end_seconds == pytest.approx(n + 0.7, abs=0.05)
        assert word.speaker == "AB"[(12 + n) // 6 % 2]
    booked = costs.totals(speaking.services.database, "recording", date(2000, 1, 1), date(2999, 1, 1))
    by_key = {line.key: line for line in booked}
    assert by_key[str(first)].transcribed_seconds == pytest.approx(SECONDS, abs=0.1)
    assert by_key[str(second)].transcribed_seconds == 0
    assert by_key[str(second)].saved_seconds == pytest.approx(12.0, abs=0.1)
    shown = {line["key"]: line for line in speaking.json("costs")}
    assert shown[str(second)]["saved_seconds"] == pytest.approx(12.0, abs=0.1)
    part = next(part for part in speaking.json("doctor") if part["name"] == "transcription")
    assert part["works"], part
    assert "stand-in" in part["provider"]
    assert "saved money" in speaking.command("costs", "--by", "day").stdout


def test_killed_between_the_call_and_its_answer(speaking: Cloud, music: Callable[..., Path]) -> None:
    before = len(jobs(speaking))
    kill_at = speaking.folder.run / "kill_submit_at"
    tell(speaking, "faults", {"place": "webhook", "calls": 0})  # so that only adoption can finish it
    kill_at.write_text("called")
    identifier = add(speaking, music(710, seconds=20.0))
    wait_for(lambda: not kill_at.exists())
    assert over(speaking, identifier).state is TranscriptState.READY
    assert len(jobs(speaking)) - before == 1, "it was not paid twice"


@pytest.mark.parametrize(
    "fault",
    [{"calls": 0}, {"delay_seconds": 2}, {"calls": 2}],
    ids=["dropped", "late", "twice"],
)
def test_callbacks_that_misbehave(speaking: Cloud, music: Callable[..., Path], fault: dict[str, Any]) -> None:
    tell(speaking, "faults", {"place": "webhook", **fault})
    identifier = add(speaking, music(sum(json.dumps(fault).encode()), seconds=20.0))
    assert over(speaking, identifier).state is TranscriptState.READY
    lines = utterances.of(speaking.services.database, identifier)
    assert len(lines) == len({line.text for line in lines}) > 0


def test_a_callback_before_the_submissions_answer(speaking: Cloud, music: Callable[..., Path]) -> None:
    tell(speaking, "faults", {"place": "submit", "after": True, "drop": True})
    before = len(jobs(speaking))
    identifier = add(speaking, music(730, seconds=20.0))
    assert over(speaking, identifier).state is TranscriptState.READY
    assert len(jobs(speaking)) - before == 1


def test_a_callback_for_a_forgotten_recording(speaking: Cloud, music: Callable[..., Path]) -> None:
    tell(speaking, "faults", {"place": "webhook", "delay_seconds": 1})
    path = music(740, seconds=20.0)
    identifier = add(speaking, path)

    def sent() -> Transcript | None:
        found = transcripts.find(speaking.services.database, identifier)
        return found if found and found.state is TranscriptState.SUBMITTED else None

    transcript = wait_for(sent)
    forget_recording(speaking.services, speaking.final(path.name))
    event = TranscriptCompleted(datetime.now(UTC), transcript.provider_id, transcript.submit_key, "completed")

    def outcome() -> Outcome | None:
        entry = speaking.services.ledger.read("transcript_fetch", event.id)
        return entry.ended if entry else None

    assert wait_for(outcome).value["state"] == "unknown"
    assert transcripts.find(speaking.services.database, identifier) is None
    assert not list(list_objects(speaking.services.settings.media_bucket, f"transcripts/{identifier}/"))


CALLBACKS = 500
UNIQUE = 300
WRONG = 40


def test_five_hundred_callbacks_at_once(speaking: Cloud) -> None:
    """A third of them are repetitions, some have a wrong secret: each transcript is stored once."""
    known = submitted(speaking, UNIQUE)
    job_ids = list(known)
    calls = [(job, True) for job in job_ids]
    chooser = random.Random(3)  # noqa: S311
    calls += [(job, True) for job in chooser.sample(job_ids, CALLBACKS - UNIQUE - WRONG)]
    calls += [(job, False) for job in chooser.sample(job_ids, WRONG)]
    chooser.shuffle(calls)
    answers = asyncio.run(call_all(speaking, calls))
    for (_, right), (status, _) in zip(calls, answers, strict=True):
        assert status == (204 if right else 401)
    latencies = sorted(seconds for _, seconds in answers)
    p50, p99 = statistics.median(latencies), latencies[int(0.99 * len(latencies))]
    print(f"{CALLBACKS} callbacks at once: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")
    wait_for(lambda: all_ready(speaking, known), 120)
    with speaking.services.database.transaction() as connection:
        rows = connection.execute(
            "select t.revision, count(u.id) as lines from transcripts t"
            " left join utterances u on u.transcript_id = t.id where t.provider_id = any(%s) group by t.id",
            (job_ids,),
        ).fetchall()
    assert {(row["revision"], row["lines"]) for row in rows} == {(1, 6)}
    assert len(rows) == UNIQUE
    booked = costs.totals(speaking.services.database, "recording", date(2000, 1, 1), date(2999, 1, 1))
    assert sum(1 for line in booked if line.key in {str(video) for video in known.values()}) == UNIQUE
    assert p99 < 1.0, "a callback is answered within a second"


def submitted(system: Cloud, count: int) -> dict[str, UUID]:
    """Make transcripts whose jobs are done at the stand-in, and whose callbacks have not been sent."""
    tell(system, "faults", {"place": "webhook", "calls": 0, "times": count})
    known: dict[str, UUID] = {}
    addresses: dict[str, str] = {}
    with stand_in(system) as client:
        for _ in range(count):
            address = client.post("/v2/upload", content=b"sound").json()["upload_url"]
            body = {"audio_url": address, "speaker_labels": True, "webhook_url": "http://127.0.0.1:9/"}
            job = client.post("/v2/transcript", json=body).json()["id"]
            known[job], addresses[job] = uuid4(), address
    with system.services.database.transaction() as connection:
        for job, video in known.items():
            connection.execute(
                "insert into videos (id, title, size_bytes, duration_seconds) values (%s, 'many', 1, %s)",
                (video, SECONDS),
            )
            planned = transcripts.plan(
                connection, video, parts=[Part(0, 0, SECONDS)], paid_seconds=SECONDS, omitted_seconds=0, sources=[]
            )
            assert planned is not None
            noted = transcripts.begin_submission(
                connection, planned, provider="local", submit_key=uuid4(), audio_object="none",
                audio_url=addresses[job], parts=planned.parts, paid_seconds=SECONDS, omitted_seconds=0,
                poll_after_seconds=600,
            )  # fmt: skip
            assert transcripts.finish_submission(connection, noted, job, poll_after_seconds=600)
    with stand_in(system) as client:
        wait_for(lambda: client.get(f"/v2/transcript/{list(known)[-1]}").json()["status"] == "completed", 60)
    return known


def all_ready(system: Cloud, known: dict[str, UUID]) -> bool:
    with system.services.database.transaction() as connection:
        row = connection.execute(
            "select count(*) from transcripts where provider_id = any(%s) and state = 'ready'", (list(known),)
        ).fetchone()
    return row is not None and row["count"] == len(known)


async def call_all(system: Cloud, calls: list[tuple[str, bool]]) -> list[tuple[int, float]]:
    """Send all callbacks at once, each on a connection of its own; return status and seconds of each."""
    url = httpx.URL(str(system.services.settings.webhook_url))
    secret = str(system.services.settings.webhook_secret)

    async def call(job: str, right: bool) -> tuple[int, float]:
        body = json.dumps({"transcript_id": job, "status": "completed"}).encode()
        head = (
            f"POST {url.path} HTTP/1.1\r\nhost: {url.host}\r\nconnection: close\r\ncontent-type: application/json\r\n"
            f"{WEBHOOK_HEADER}: {secret if right else 'wrong'}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        started = time.monotonic()
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(head.encode() + body)
        answer = await reader.read()
        writer.close()
        return int(answer.split(b" ", 2)[1]), time.monotonic() - started

    return list(await asyncio.gather(*(call(job, right) for job, right in calls)))
