"""What cannot work is refused with the right status and sentence, and nothing is left on disk."""

from __future__ import annotations

import contextlib
import io
import pickle
import socket
import time

import av
import httpx
import numpy as np
import pytest

from sonicgen.voices.samples import SAMPLE_RATE_HZ
from tests.unit.embedder.conftest import Service, Start
from tests.unit.embedder.sounds import spoken, wav
from tests.unit.voices.signals import silence


def _stated_hours(hours: float) -> bytes:
    """Return a FLAC file of seven seconds that states to have hours."""
    out = io.BytesIO()
    with av.open(out, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="mono")
        sound = (spoken() * 32_767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        container.mux([*stream.encode(frame), *stream.encode(None)])
    whole = bytearray(out.getvalue())
    # The number of samples: the last 36 of the 64 bits after the block's sizes (RFC 9639, 8.2).
    told = int.from_bytes(whole[18:26]) >> 36 << 36 | int(hours * 3600 * SAMPLE_RATE_HZ)
    whole[18:26] = told.to_bytes(8)
    return bytes(whole)


_TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(5 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)).astype(np.float32)
BAD = {
    "no bytes": (b"", 422, "empty_file", "no bytes"),
    "0.2 s": (wav(spoken()[16_000:19_200]), 422, "too_short", "0.20 s"),
    "silence": (wav(silence(5.0)), 422, "no_speech", "silence"),
    "a tone": (wav(_TONE), 422, "no_speech", "Nobody speaks"),
    "a text named wav": (b"Not a sound, but a few words.\n" * 40, 415, "not_audio", "not audio"),
    "a pickle": (pickle.dumps({"a": 1}), 415, "not_audio", "not audio"),
    "a playlist": (b"#EXTM3U\n#EXTINF:5,\nfile:///etc/passwd\n", 415, "not_audio", ""),
    "five hours": (_stated_hours(5), 413, "too_long", "4 h"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused(service: Service, name: str) -> None:
    data, status, code, words = BAD[name]
    with service.client() as client:
        answer = client.post("/embedding", files={"file": ("x.wav", data)})
    found = answer.json()
    assert (answer.status_code, found["code"]) == (status, code)
    assert words in found["detail"]
    assert found["detail"].endswith(".")
    assert service.left_behind() == []


def test_three_hours_are_taken_or_refused_as_the_settings_say(start: Start) -> None:
    with start(embedder_audio_hours=2.0).client() as client:
        answer = client.post("/diarize", files={"file": ("x.wav", _stated_hours(3))})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_long")
    assert "2 h" in answer.json()["detail"]
    with start().client() as client:  # four hours by default
        answer = client.post("/diarize", files={"file": ("x.wav", _stated_hours(3))})
    assert answer.status_code == 200
    assert "ends before" in answer.json()["warnings"][0]


def test_what_states_no_length_is_cut_at_the_limit(start: Start) -> None:
    service = start(embedder_audio_hours=5 / 3600)
    with service.client() as client:
        answer = client.post("/diarize", files={"file": ("x.wav", wav(spoken(seconds=8.0))[:44] + b"\0" * 400_000)})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_long")


@pytest.mark.parametrize("path", ["/embedding", "/diarize", "/compare", "/compare_embedding"])
def test_a_request_without_a_file_is_told_which(service: Service, path: str) -> None:
    with service.client() as client:
        answers = [client.post(path), client.post(path, data={"threshold": "0.3"}), client.post(path, json={"a": 1})]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (422, "missing_file"), answer.text


def test_text_in_the_place_of_a_file_is_refused(service: Service) -> None:
    with service.client() as client:
        answer = client.post("/embedding", data={"file": "a.wav"})
    assert answer.status_code == 422
    assert answer.json()["error_type"] == "ValidationError"


def test_a_damaged_file_is_used_as_far_as_it_goes_and_says_so(service: Service) -> None:
    whole = wav(spoken(seconds=8.0))
    with service.client() as client:
        answer = client.post("/embedding", files={"file": ("x.wav", whole[: len(whole) // 2])})
    assert answer.status_code == 200
    assert "ends before" in answer.json()["warnings"][0]
    assert answer.json()["audio_duration"] == pytest.approx(4.5, abs=0.1)


def test_an_upload_that_a_proxy_cut_off_is_refused(service: Service) -> None:
    body = httpx.Request("POST", service.url, files={"file": ("x.wav", wav(spoken()))})
    data = body.read()
    with service.client() as client:
        answer = client.post(
            "/embedding", content=data[: len(data) // 2], headers={"content-type": body.headers["content-type"]}
        )
    assert (answer.status_code, answer.json()["code"]) == (400, "incomplete_upload")
    assert "cut off" in answer.json()["detail"]
    assert service.left_behind() == []


def test_an_upload_whose_connection_breaks_leaves_nothing(service: Service) -> None:
    body = httpx.Request("POST", service.url, files={"file": ("x.wav", wav(spoken(seconds=60.0)))})
    data = body.read()
    port = httpx.URL(service.url).port
    assert port is not None
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = f"POST /embedding HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n"
        connection.sendall(f"{head}Content-Type: {body.headers['content-type']}\r\n\r\n".encode())
        connection.sendall(data[:1_500_000])
        deadline = time.monotonic() + 10
        while service.house.held_bytes < 1_400_000:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    while service.house.guests:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert service.house.held_bytes == 0
    assert service.left_behind() == []
    assert 'status="499"' in _metrics(service)


@pytest.mark.parametrize("is_stated", [True, False])
def test_an_upload_that_is_too_large_is_refused_while_it_comes(start: Start, is_stated: bool) -> None:
    service = start(embedder_upload_bytes=300_000)
    body = httpx.Request("POST", service.url, files={"file": ("x.wav", wav(spoken(seconds=30.0)))})
    data = body.read()
    content = data if is_stated else (data[at : at + 50_000] for at in range(0, len(data), 50_000))
    with service.client() as client, contextlib.suppress(httpx.WriteError):
        answer = client.post("/embedding", content=content, headers={"content-type": body.headers["content-type"]})
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert "300,000 bytes" in answer.json()["detail"]
    assert service.left_behind() == []


def test_a_body_that_lies_in_memory_whole_has_a_smaller_limit(service: Service) -> None:
    with service.client() as client, contextlib.suppress(httpx.WriteError):
        answer = client.post("/embed", content=b"[" + b" " * (17 << 20), headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_json_that_is_none_is_told(service: Service) -> None:
    with service.client() as client:
        answer = client.post("/embed", content=b"{", headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")


def test_a_file_that_takes_too_long_to_decode_is_given_up(start: Start) -> None:
    with start(embedder_decode_seconds=1e-6).client() as client:
        answer = client.post("/embedding", files={"file": ("x.wav", wav(spoken()))})
    assert (answer.status_code, answer.json()["code"]) == (422, "slow_decoding")


def test_an_unknown_route_has_the_same_body(service: Service) -> None:
    with service.client() as client:
        assert client.post("/verify").json()["code"] == "not_found"
        assert client.get("/embedding").status_code == 405


def _metrics(service: Service) -> str:
    with service.client() as client:
        return client.get("/metrics").text
