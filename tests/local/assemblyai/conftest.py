"""A running stand-in, the real SDK for it, and somebody who listens to its webhooks."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import assemblyai as aai
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from sonicgen.local.supervisor import free_port
from tests.unit.sound.signals import encoded

KEY = "local"
# What the tests that need no recogniser get as transcript of whatever they send.
ANSWER = {
    "language_code": "en",
    "audio_duration": 9,
    "utterances": [
        {"speaker": "A", "start": 500, "end": 2500, "text": "Where does this come from?"},
        {"speaker": "B", "start": 3000, "end": 5000, "text": "From the other one."},
    ],
}
WITH_SPEAKERS = aai.TranscriptionConfig(speaker_labels=True)


class StandIn:
    """A stand-in in a process of its own, which can be killed and started again on the same port."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._options = {"key": KEY, "webhook_wait_seconds": 0.05, "webhook_timeout_seconds": 1.0, **options}
        self._folder = folder
        self.uploads = folder / "uploads"
        self.client = aai.Client(settings=aai.Settings(api_key=KEY, base_url=self.url, polling_interval=0.02))
        self.sdk = aai.Transcriber(client=self.client)
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        script = Path(__file__).parent / "serve.py"
        arguments = [str(self._folder), str(self.port), json.dumps(self._options)]
        process = subprocess.Popen([sys.executable, str(script), *arguments])
        until(lambda: self._answers(), 20)
        return process

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/_faults").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """Kill it as kill -9 does."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Start it again on the same port, killed or ended by itself."""
        self.kill()
        self.process = self._start()

    def close(self) -> None:
        """End it for good."""
        self.client.http_client.close()
        self.kill()

    def break_at(self, place: str, **fault: Any) -> None:
        """Tell it what to do wrong."""
        httpx.post(f"{self.url}/_faults", json={"place": place, **fault}).raise_for_status()

    def give(self, answer: dict[str, Any], sha256: str = "default") -> None:
        """Give the transcript beforehand."""
        httpx.post(f"{self.url}/_answers", json={sha256: answer}).raise_for_status()

    def forget(self) -> None:
        """Take back faults and answers."""
        httpx.delete(f"{self.url}/_faults").raise_for_status()
        httpx.delete(f"{self.url}/_answers").raise_for_status()

    def get(self, transcript_id: str) -> dict[str, Any]:
        """Return the raw body, which holds more than the SDK keeps."""
        response = httpx.get(f"{self.url}/v2/transcript/{transcript_id}", headers={"authorization": KEY})
        response.raise_for_status()
        body: dict[str, Any] = response.json()
        return body

    def order(self, listener: Listener, sound: bytes = b"sound") -> str:
        """Submit something with a webhook; return its id."""
        config = aai.TranscriptionConfig(speaker_labels=True).set_webhook(listener.url, "X-Secret", "psst")
        transcript = self.sdk.submit(io.BytesIO(sound), config)
        assert transcript.id is not None
        return transcript.id


class Listener:
    """Answers webhooks with the statuses it is told, then with 200; keeps what came."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.wait_seconds = 0.0
        self.calls: list[dict[str, Any]] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                listener.calls.append({**json.loads(body), "headers": dict(self.headers), "at": time.monotonic()})
                time.sleep(listener.wait_seconds)
                self.send_response(listener.statuses.pop(0) if listener.statuses else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhook?submission=7"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def of(self, transcript_id: str) -> list[dict[str, Any]]:
        """Return the calls for one transcript."""
        return [call for call in self.calls if call["transcript_id"] == transcript_id]

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def until(is_true: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def wav(samples: NDArray[np.float32]) -> bytes:
    """Return samples at 16 kHz as a file."""
    return encoded(samples, "wav", "pcm_s16le", 16_000)


@pytest.fixture(scope="session")
def shared_stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    server = StandIn(tmp_path_factory.mktemp("assemblyai"))
    yield server
    server.close()


@pytest.fixture
def stand_in(shared_stand_in: StandIn) -> StandIn:
    """The stand-in that all tests share, without faults, with a transcript for everything."""
    shared_stand_in.forget()
    shared_stand_in.give(ANSWER)
    return shared_stand_in


@pytest.fixture
def own_stand_in(tmp_path: Path) -> Iterator[StandIn]:
    """A stand-in that a test may kill."""
    server = StandIn(tmp_path / "assemblyai")
    server.give(ANSWER)
    yield server
    server.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    heard = Listener()
    yield heard
    heard.close()
