from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from sonicgen.domain.role import Role
from sonicgen.store import jobs, rate_limits
from tests.unit.console.conftest import Console, events_of

CITYWOK = {
    "match_found", "unsure", "candidates", "episode", "timestamp", "confidence", "aligned_matches", "total_matches",
}  # fmt: skip
CANDIDATE = {"episode_id", "aligned_matches", "offset", "sharpness", "confidence"}


def find(console: Console, clip: bytes, name: str = "clip.mp3", **more: object) -> httpx.Response:
    return console.ask.post("/v1/find", files={"file": (name, clip)}, **more)  # type: ignore[arg-type]


def test_a_clip_is_found_to_the_second_with_every_documented_field(console: Console) -> None:
    answer = find(console, console.clip(0, 7.0)).json()
    assert set(answer) >= CITYWOK
    assert (answer["match_found"], answer["unsure"], answer["reason"]) == (True, False, None)
    best = answer["candidates"][0]
    assert set(best) >= CANDIDATE
    assert best["episode_id"] == str(console.pieces[0].id)
    assert best["offset"] == pytest.approx(7.0, abs=0.05)
    assert answer["timestamp"] == "0:07"
    assert (best["sure"], best["decision"]) == ("certain", "match")
    assert 0 < answer["quality_metrics"]["ratio"] <= 1
    assert best["sharpness"] > 1
    assert answer["searched"]["recordings"] == 2


def test_a_perfect_match_that_has_no_second_is_sure(console: Console) -> None:
    # An infinite margin or sharpness once was taken for none at all; and there was always to be a second candidate.
    answer = find(console, console.clip(1, 0.0, 20.0)).json()
    assert answer["match_found"]
    assert answer["quality_metrics"]["margin"] is None or answer["quality_metrics"]["margin"] > 1
    json.dumps(answer, allow_nan=False)


def test_nothing_found_is_an_answer(console: Console) -> None:
    answer = find(console, console.clip(2)).json()
    assert (answer["match_found"], answer["unsure"], answer["reason"]) == (False, False, "no_matches")
    assert answer["candidates"] == []
    assert answer["message"] == "No known recording holds it."


def test_the_same_as_an_event_stream_in_order_with_ids(console: Console) -> None:
    with console.ask.stream("POST", "/v1/find", files={"file": console.clip(0)}, data={"stream": "true"}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-cache"
        assert response.headers["x-accel-buffering"] == "no"
        events = list(events_of(response))
    assert [int(event["id"]) for event in events] == list(range(1, len(events) + 1))
    told = [json.loads(event["data"]) for event in events]
    assert [one["status"] for one in told] == ["fingerprinting", "searching", "matching", "complete"]
    progress = [one["progress"] for one in told]
    assert progress == sorted(progress)
    assert all(one["message"] for one in told)
    assert told[-1]["candidates"][0]["episode_id"] == str(console.pieces[0].id)


def test_a_reader_who_comes_back_misses_nothing_and_hears_nothing_twice(console: Console) -> None:
    job = find(console, console.clip(0), headers={"Prefer": "respond-async"})
    assert job.status_code == 202
    address = f"{job.headers['location']}/events"
    with console.ask.stream("GET", address) as response:
        first = next(events_of(response))
    with console.ask.stream("GET", address, headers={"Last-Event-ID": first["id"]}) as response:
        rest = list(events_of(response))
    assert [int(event["id"]) for event in rest] == list(range(int(first["id"]) + 1, int(rest[-1]["id"]) + 1))
    assert rest[-1]["event"] == "result"
    with console.ask.stream("GET", address, params={"after": rest[-1]["id"]}) as response:
        assert list(events_of(response)) == []
    shown = console.ask.get(job.headers["location"]).json()
    assert (shown["state"], shown["result"]["match_found"]) == ("done", True)


@pytest.mark.parametrize("way", ["plain", "stream"])
def test_what_is_no_audio_is_a_problem(console: Console, way: str) -> None:
    data = {"stream": "true"} if way == "stream" else {}
    response = find(console, b"no audio at all " * 300, data=data)
    if way == "plain":
        assert (response.status_code, response.headers["content-type"]) == (400, "application/problem+json")
        problem = response.json()
        assert (problem["code"], problem["status"]) == ("unusable_media", 400)
    else:
        last = response.text.strip().split("\n\n")[-1]
        assert "event: error" in last
        problem = json.loads(last.partition("data: ")[2])
        assert problem["status_code"] == 400
    assert problem["error"] == problem["detail"]


def test_an_upload_that_is_too_large_ends_while_it_streams(console: Console) -> None:
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n'
        while sent < 64 << 20:
            sent += 1 << 16
            yield bytes(1 << 16)

    with console.configured(find_bytes=1 << 20):
        try:
            answer = console.ask.post(
                "/v1/find",
                content=body(),
                headers={"Content-Type": "multipart/form-data; boundary=x"},
            )
            assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        except (httpx.WriteError, httpx.RemoteProtocolError):  # it has hung up in the middle, which is as good
            pass
        assert sent < 32 << 20
        announced = console.ask.post("/v1/find", content=bytes(3 << 20), headers={"Content-Type": "audio/mpeg"})
        assert announced.status_code == 413
    assert not list((console.folder / "downloads").glob("job-*")), "an upload was left behind"


def test_the_upload_lives_as_long_as_its_answer_streams_and_no_longer(console: Console) -> None:
    with console.ask.stream("POST", "/v1/find", files={"file": console.clip(1)}, data={"stream": "1"}) as response:
        assert [event["event"] for event in events_of(response)][-1] == "result"
    deadline = time.monotonic() + 5
    while list((console.folder / "downloads").glob("job-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not list((console.folder / "downloads").glob("job-*"))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/clip.mp3",
        "http://169.254.169.254/latest/meta-data",
        "https://youtube.com@169.254.169.254/",
        "http://[::ffff:10.0.0.1]/x.mp3",
        "file:///etc/passwd",
    ],
)
def test_a_link_into_a_private_network_is_refused(console: Console, url: str) -> None:
    answer = console.ask.post("/v1/find", json={"url": url})
    assert answer.status_code == 400, answer.text
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{}", "application/json"),
        (b'{"url": "https://a.example/x", "fingerprint": {"version": 1}}', "application/json"),
        (b'{"url": 7}', "application/json"),
        (b'{"url": ', "application/json"),
        (b"[]", "application/json"),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        (b"--x--\r\n", "multipart/form-data"),
        (b"words", "text/plain"),
        (b"", "audio/mpeg"),
    ],
)
def test_a_wrong_question_is_explained_and_costs_nothing(console: Console, body: bytes, kind: str) -> None:
    headers = {**console.key(Role.VIEWER), "Content-Type": kind}
    with console.configured(key_finds_per_hour=2):
        for _ in range(4):
            answer = console.ask.post("/v1/find", content=body, headers=headers)
            assert answer.status_code in (400, 415), answer.text
            assert answer.json()["detail"]


def test_hashes_are_enough(console: Console, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp3"
    clip.write_bytes(console.clip(1, 3.0))
    command = [sys.executable, "-m", "sonicgen", "fingerprint", str(clip)]
    made = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    assert len(made["fingerprint"]["peaks"]) < len(console.clip(1, 3.0)) / 10
    answer = console.ask.post("/v1/find", json={**made, "name": "by its hashes"}).json()
    assert "candidates" in answer, answer
    assert answer["candidates"][0]["episode_id"] == str(console.pieces[1].id)
    assert answer["offset"] == pytest.approx(3.0, abs=0.05)
    for change in (
        {"version": 99},
        {"peaks": "?"},
        {"seconds": 0.1},
        {"seconds": "x"},
        {"peaks": base64.b64encode(b"x").decode()},
    ):
        wrong = console.ask.post("/v1/find", json={"fingerprint": {**made["fingerprint"], **change}})
        assert wrong.status_code == 400, change


def test_the_same_key_asks_once(console: Console) -> None:
    headers = {"Idempotency-Key": "once"}
    first, second = (find(console, console.clip(0), headers=headers) for _ in range(2))
    assert first.headers["x-job-id"] == second.headers["x-job-id"]
    assert first.json() == second.json()
    other = find(console, console.clip(1, 2.0, 7.0), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_a_job_whose_process_died_is_ended_by_whoever_looks(console: Console) -> None:
    from uuid import uuid4

    database = console.services.database
    job, _ = jobs.start(database, uuid4(), "find", owner="local", name="x", request={})
    assert console.ask.get(f"/v1/jobs/{job.id}").json()["state"] == "running"  # it lives, elsewhere
    with database.transaction() as connection:
        connection.execute("update jobs set alive_until = now() - interval '1 second' where id = %s", (job.id,))
    with console.ask.stream("GET", f"/v1/jobs/{job.id}/events") as response:
        (event,) = events_of(response)
    assert json.loads(event["data"])["code"] == "worker_lost"
    assert console.ask.get(f"/v1/jobs/{job.id}").json()["state"] == "failed"


def test_a_job_can_be_stopped_and_is_not_answered_then(console: Console) -> None:
    from uuid import uuid4

    job, _ = jobs.start(console.services.database, uuid4(), "find", owner="local", name="x", request={})
    assert console.ask.delete(f"/v1/jobs/{job.id}").json()["state"] == "cancelled"
    late = jobs.finish(console.services.database, job.id, "done", result={}, event=("result", {}))
    assert late is None
    assert console.ask.get(f"/v1/jobs/{job.id}").json()["state"] == "cancelled"


def test_ten_an_hour_for_everybody_together_whatever_instance(console: Console) -> None:
    # What two instances share is the table: here each thread stands for one.
    def take(_: int) -> bool:
        return rate_limits.take(console.services.database, "find:address:203.0.113.9", 10).is_granted

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(40))) == 10
    left = rate_limits.look(console.services.database, "find:address:203.0.113.9", 10)
    assert not left.is_granted
    assert 300 < left.retry_after_seconds <= 360


def test_behind_a_proxy_each_address_has_its_own_allowance(console: Console) -> None:
    def ask(address: str) -> httpx.Response:
        return find(console, console.clip(2), headers={"X-Forwarded-For": f"9.9.9.9, {address}"})

    with console.configured(access="keys", trusted_proxies=1, anonymous_finds_per_hour=2):
        first = [ask("198.51.100.1") for _ in range(3)]
        assert [one.status_code for one in first] == [200, 200, 429]
        assert first[0].headers["ratelimit-remaining"] == "1"
        assert int(first[2].headers["retry-after"]) > 60
        assert ask("198.51.100.2").status_code == 200
        # What a caller writes into the header themselves counts for nothing: only the proxy's own word does.
        assert find(console, b"x", headers={"X-Forwarded-For": "1.1.1.1, 198.51.100.1"}).status_code == 429
        assert [ask(f"2001:db8:1:1::{n}").status_code for n in (1, 2, 3)] == [200, 200, 429]
    with console.services.database.transaction() as connection:
        connection.execute("update rate_limits set used_until = now() - interval '1 minute'")
    assert rate_limits.sweep(console.services.database) >= 3


def test_a_question_at_work_keeps_nobody_waiting(console: Console) -> None:
    long = console.clip(0, 0.0, 20.0)
    slowest = 0.0
    with ThreadPoolExecutor(6) as pool:
        running = [
            pool.submit(httpx.post, f"{console.url}/v1/find", files={"file": long}, timeout=60) for _ in range(6)
        ]
        while not all(one.done() for one in running):
            began = time.monotonic()
            assert console.ask.get("/healthz").status_code == 200
            slowest = max(slowest, time.monotonic() - began)
    assert all(one.result().status_code == 200 for one in running)
    assert slowest < 2.0


def test_too_many_waiting_is_said_at_once(console: Console) -> None:
    with console.configured(find_queue=0):
        answer = find(console, console.clip(0))
    assert (answer.status_code, answer.json()["code"]) == (429, "busy")
    assert int(answer.headers["retry-after"]) > 0


def test_a_link_is_downloaded_and_found_with_its_progress(console: Console, tmp_path: Path) -> None:
    (tmp_path / "clip.mp3").write_bytes(console.clip(0, 6.0, 8.0))
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        place = f"127.0.0.1:{server.server_address[1]}"
        console.services.__dict__.pop("downloader", None)
        with console.configured(allowed_hosts=place):
            body = {"url": f"http://{place}/clip.mp3", "stream": True}
            with console.ask.stream("POST", "/v1/find", json=body) as response:
                told = [json.loads(event["data"]) for event in events_of(response)]
        console.services.__dict__.pop("downloader", None)
        server.shutdown()
    assert told[0]["status"] == "downloading"
    assert told[-1]["candidates"][0]["episode_id"] == str(console.pieces[0].id), told[-1]
    assert told[-1]["offset"] == pytest.approx(6.0, abs=0.1)
