"""The embedder's client against a server that answers as a test says."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sonicgen.domain.embedding import Sound
from sonicgen.errors import InputError, NotFoundError, SettingsError, UnavailableError
from sonicgen.services import embedder as module
from sonicgen.services.embedder import HttpEmbedder, make_embedder
from sonicgen.services.identity_tokens import IdentityTokens
from sonicgen.settings import read_settings

MODEL = {"name": "ecapa", "version": "1", "dimension": 2, "slope": 10.0, "offset": -4.0}
EMBEDDED = {
    "processing_time": 0.1, "model": MODEL, "backend": "onnxruntime-float32-cpu", "model_device": "cpu",
    "sounds": [{
        "audio_duration": 2.0, "error": None,
        "vectors": [{"start": 0.0, "end": 2.0, "speech_seconds": 1.5, "vector": [0.6, 0.8], "error": None}],
    }],
}  # fmt: skip
SOUNDS = [Sound("bucket", "clip.wav")]


@dataclass
class Site:
    """What is answered next, and what was asked."""

    port: int = 0
    answers: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    # Paths that contain this are answered so, whatever is next.
    fixed: dict[str, tuple[int, dict[str, str], Any]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"null")
            self._answer(body)

        def do_GET(self) -> None:
            self._answer(None)

        def _answer(self, body: Any) -> None:
            made.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            always = next((answer for part, answer in made.fixed.items() if part in self.path), None)
            status, headers, answer = always or made.answers.pop(0)
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


def problem(code: str, detail: str = "It cannot be.") -> dict[str, str]:
    return {"detail": detail, "code": code, "error_type": "ProcessingError", "timestamp": "2026-11-21T08:00:00Z"}


@pytest.fixture
def client(site: Site) -> Iterator[HttpEmbedder]:
    made = HttpEmbedder(site.url)
    yield made
    made.close()


def test_busy_is_asked_again_when_it_said(site: Site, client: HttpEmbedder) -> None:
    site.answers = [(429, {"retry-after": "0.3"}, problem("busy")), (200, {}, EMBEDDED)]
    started = time.monotonic()
    found = client.embed(SOUNDS)
    assert 0.3 <= time.monotonic() - started < 2
    assert found.sounds[0].vectors[0].vector == (0.6, 0.8)
    assert site.asked[0][2] == site.asked[1][2] == {
        "sounds": [{"bucket": "bucket", "name": "clip.wav", "generation": None, "spans": []}]
    }  # fmt: skip


def test_it_is_not_asked_for_ever(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_WAIT_SECONDS", 0.01)
    site.answers = [(503, {}, problem("not_ready", "The embedder is not ready."))] * 9
    with pytest.raises(UnavailableError, match="not ready"):
        HttpEmbedder(site.url, tries=3).embed(SOUNDS)
    assert len(site.asked) == 3


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "not_found", NotFoundError),
        (422, "invalid_parameter", InputError),
        (415, "not_audio", InputError),
        (409, "other_model", InputError),
        (403, "none", UnavailableError),
    ],
)
def test_what_can_never_work_is_asked_once(
    site: Site, client: HttpEmbedder, status: int, code: str, kind: type[Exception]
) -> None:
    site.answers = [(status, {}, problem(code))]
    with pytest.raises(kind) as raised:
        client.embed(SOUNDS)
    assert type(raised.value) is kind
    assert len(site.asked) == 1


def test_nobody_there_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_WAIT_SECONDS", 0.01)
    with pytest.raises(UnavailableError, match="does not answer"):
        HttpEmbedder("http://127.0.0.1:9", tries=2).runner()


def test_an_answer_that_is_none_is_transient(site: Site, client: HttpEmbedder) -> None:
    site.answers = [(200, {}, b"<html>")]
    with pytest.raises(UnavailableError, match="no JSON"):
        client.embed(SOUNDS)


def test_without_an_address_there_is_no_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SONICGEN_EMBEDDER_URL", raising=False)
    with pytest.raises(SettingsError, match="SONICGEN_EMBEDDER_URL"):
        make_embedder(read_settings(embedder_url=None))


def token(expires_at: float) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": expires_at, "aud": "x"}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


def test_an_identity_token_is_fetched_once_and_renewed_in_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The metadata server of Google Cloud gives it, for the embedder as audience."""
    monkeypatch.setenv("GCE_METADATA_HOST", f"127.0.0.1:{site.port}")
    monkeypatch.setenv("GCE_METADATA_IP", f"127.0.0.1:{site.port}")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    flavour = {"metadata-flavor": "Google", "content-type": "text/plain"}
    good, ending = token(time.time() + 3600), token(time.time() + 60)
    account = {"email": "worker@project.iam.gserviceaccount.com", "scopes": []}
    site.fixed["recursive=true"] = (200, {**flavour, "content-type": "application/json"}, account)
    site.fixed["identity"] = (200, flavour, ending.encode())
    site.answers = [(200, flavour, b"")] * 9
    tokens = IdentityTokens("https://embedder.test")
    assert tokens() == ending
    site.fixed["identity"] = (200, flavour, good.encode())
    assert tokens() == good  # the first would have ended on the way
    assert tokens() == good
    identities = [path for path, _, _ in site.asked if "identity" in path]
    assert len(identities) == 2
    assert all("audience=https%3A%2F%2Fembedder.test" in path for path in identities)


def test_the_token_is_sent_along(site: Site) -> None:
    site.answers = [(200, {}, EMBEDDED)]
    HttpEmbedder(site.url, tokens=lambda: "a token").embed(SOUNDS)
    assert site.asked[0][1]["authorization"] == "Bearer a token"
