"""Who is let in, who has left, and what is answered while there is much to do."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from signal import SIGTERM
from typing import Any

import httpx
import pytest

from sonicgen.embedder.models import Loader
from tests.unit.embedder.cepstra_encoder import Brake, CepstraEncoder, loader
from tests.unit.embedder.conftest import Service, Start, wait_until
from tests.unit.embedder.sounds import spoken, wav

SOUND = wav(spoken())


def embed(service: Service) -> httpx.Response:
    with service.client() as client:
        return client.post("/embedding", files={"file": ("x.wav", SOUND)})


def get(service: Service, path: str) -> httpx.Response:
    with service.client() as client:
        return client.get(path)


def test_one_too_many_is_told_when_to_come_back(start: Start) -> None:
    service = start(embedder_requests=2)
    brake = Brake(service.encoder)
    with ThreadPoolExecutor(2) as pool:
        inside = [pool.submit(embed, service) for _ in range(2)]
        wait_until(lambda: service.house.guests == 2)
        refused = embed(service)
        brake.release()
        assert [each.result().status_code for each in inside] == [200, 200]
    assert (refused.status_code, refused.json()["code"]) == (429, "busy")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert embed(service).status_code == 200
    wait_until(lambda: service.house.guests == 0)  # a guest has left when the answer is sent, a moment after it is read


def test_uploads_that_hold_too_much_together_are_refused(start: Start) -> None:
    answer = embed(start(embedder_held_bytes=100_000))
    assert (answer.status_code, answer.json()["code"]) == (429, "busy")


def test_health_and_metrics_are_answered_while_the_encoder_is_busy(service: Service) -> None:
    service.house.batcher.batch_windows = 1  # so that some wait
    brake = Brake(service.encoder)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(embed, service) for _ in range(4)]
        assert brake.reached.wait(10)
        wait_until(lambda: service.house.batcher.queued > 0)
        started = time.monotonic()
        assert get(service, "/health/live").json() == {"status": "alive"}
        health = get(service, "/health").json()
        metrics = get(service, "/metrics").text
        assert time.monotonic() - started < 2
        brake.release()
        assert [each.result().status_code for each in waiting] == [200] * 4
    service.encoder.before = lambda _: None
    assert (health["status"], health["requests_under_way"]) == ("healthy", 4)
    assert health["queue_depth"] > 0
    depth = next(line for line in metrics.splitlines() if line.startswith("sonicgen_embedder_queue_depth "))
    assert float(depth.split()[1]) > 0
    after = get(service, "/metrics").text
    assert 'sonicgen_embedder_requests_total{route="/embedding",status="200"}' in after
    assert "sonicgen_embedder_queue_depth 0" in after


def test_who_hangs_up_is_worked_for_no_longer(start: Start) -> None:
    service = start()
    service.house.batcher.batch_windows = 8  # so that nothing of the first request waits
    brake = Brake(service.encoder)
    threading.Thread(target=embed, args=(service,), daemon=True).start()
    assert brake.reached.wait(10)
    with service.client(timeout=1.0) as impatient, pytest.raises(httpx.ReadTimeout):
        impatient.post("/embedding", files={"file": ("x.wav", SOUND)})
    wait_until(lambda: service.house.batcher.queued == 0 and service.house.guests == 1)
    brake.release()
    wait_until(lambda: service.house.guests == 0)
    metrics = get(service, "/metrics").text
    assert 'sonicgen_embedder_requests_total{route="/embedding",status="499"} 1' in metrics
    assert 'sonicgen_embedder_requests_total{route="/embedding",status="200"} 1' in metrics
    assert service.left_behind() == []


def test_what_is_under_way_is_answered_after_the_end_has_begun(start: Start) -> None:
    service = start()
    brake = Brake(service.encoder)
    answers: list[httpx.Response] = []
    with service.client() as kept:
        assert kept.get("/health/ready").status_code == 200
        caller = threading.Thread(target=lambda: answers.append(embed(service)))
        caller.start()
        assert brake.reached.wait(10)
        service.server.handle_exit(SIGTERM, None)
        assert not service.house.is_ready
        brake.release()
        caller.join(10)
    assert answers[0].status_code == 200
    assert len(answers[0].json()["embedding"]) == 24
    with pytest.raises(httpx.ConnectError):
        wait_until(lambda: get(service, "/health/live").status_code == 0)


def test_nothing_is_taken_before_the_models_are_there(start: Start) -> None:
    encoder = CepstraEncoder()
    brake = Brake(encoder)
    service = start(wait=False, given=loader(encoder))
    assert get(service, "/health/live").status_code == 200
    early, health = embed(service), get(service, "/health/ready")
    assert (early.status_code, early.json()["code"], early.json()["error_type"]) == (503, "not_ready", "ModelError")
    assert "retry-after" in early.headers
    assert health.status_code == 503
    told = health.json()
    assert (told["status"], told["verification_model_loaded"], told["model"]) == ("starting", False, None)
    brake.release()
    wait_until(lambda: service.house.is_ready)
    told = get(service, "/health/ready").json()
    assert (told["status"], told["diarization_model_loaded"], told["verification_model_loaded"]) == (
        "healthy",
        True,
        True,
    )
    assert embed(service).status_code == 200


def test_models_that_cannot_be_loaded_leave_a_service_that_says_so(start: Start) -> None:
    service = start(wait=False, given=Loader([], lambda _: None))  # type: ignore[arg-type,return-value]
    wait_until(lambda: get(service, "/health").json()["status"] == "failed")
    assert get(service, "/health/live").status_code == 200
    assert get(service, "/health/ready").status_code == 503
    answer = embed(service)
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert "retry-after" not in answer.headers


def test_two_hundred_callers_at_once_get_each_their_own(start: Start) -> None:
    """None lost, none mixed up: every answer is the one that the same sound gets alone."""
    service = start()
    sounds = [wav(spoken(seconds=2.5 + 0.3 * (n % 5), seed=n)) for n in range(20)]
    with service.client() as client:
        alone = [client.post("/embedding", files={"file": ("x.wav", each)}).json()["embedding"] for each in sounds]
    service.house.batcher.batch_windows = 8  # whatever was found to be the fastest for this encoder
    service.encoder.batches.clear()
    limits = httpx.Limits(max_connections=200)
    times: list[float] = []

    def ask(n: int) -> Any:
        started = time.monotonic()
        answer = client.post("/embedding", files={"file": (f"{n}.wav", sounds[n % 20])})
        times.append(time.monotonic() - started)
        assert answer.status_code == 200, answer.text
        return answer.json()["embedding"]

    client = httpx.Client(base_url=service.url, timeout=60, limits=limits, trust_env=False)
    with client, ThreadPoolExecutor(200) as pool:
        found = list(pool.map(ask, range(200)))
    assert len(times) == 200
    for n, vector in enumerate(found):
        assert vector == pytest.approx(alone[n % 20], abs=1e-5)
    assert len({json.dumps([round(value, 4) for value in vector]) for vector in found}) == 20
    assert max(service.encoder.batches) > 1  # requests did share batches
    assert service.left_behind() == []
