"""The embedder's container as far as it goes without an engine: its files, its weights, its entry."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from sonicgen.local.supervisor import free_port
from sonicgen.settings import REPOSITORY
from tests.unit.embedder.conftest import wait_until
from tests.unit.embedder.sounds import dialogue, spoken, wav

FOLDER = REPOSITORY / "containers" / "gpu-embedder"
DOCKERFILE = (FOLDER / "Dockerfile").read_text()


def load_fetcher() -> Any:
    spec = importlib.util.spec_from_file_location("fetch_weights", FOLDER / "fetch_weights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Hub:
    """A hub on this machine: files by path, some gated, some lying with another host."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.gated = False
        self.tokens: list[tuple[str, str | None]] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host = self.headers["host"].split(":")[0]
                token = self.headers.get("authorization")
                hub.tokens.append((host, token))
                if host == "127.0.0.1":
                    if hub.gated and token != "Bearer secret":
                        self.send_error(401)
                        return
                    self.send_response(302)
                    self.send_header("location", f"http://localhost:{hub.port}{self.path}")
                    self.end_headers()
                    return
                data = hub.files[self.path]
                self.send_response(200)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    yield made
    made.server.shutdown()
    made.server.server_close()


def lock_of(tmp_path: Path, data: bytes) -> Path:
    model = {"revision": "abc", "folder": "m", "files": {"weights.bin": hashlib.sha256(data).hexdigest()}}
    path = tmp_path / "weights.lock.json"
    path.write_text(json.dumps({"somebody/model": model}))
    return path


def test_weights_are_fetched_once_and_the_token_is_shown_to_the_hub_alone(hub: Hub, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    hub.files["/somebody/model/resolve/abc/weights.bin"] = data
    hub.gated = True
    secret = tmp_path / "token"
    secret.write_text("secret\n")
    arguments = [str(tmp_path / "to"), "--lock", str(lock_of(tmp_path, data)), "--token-file", str(secret)]
    arguments += ["--hub", f"http://127.0.0.1:{hub.port}"]
    fetcher = load_fetcher()
    assert fetcher.main(arguments) == 0
    assert (tmp_path / "to" / "m" / "weights.bin").read_bytes() == data
    assert hub.tokens == [("127.0.0.1", "Bearer secret"), ("localhost", None)]
    assert fetcher.main(arguments) == 0
    assert len(hub.tokens) == 2


def test_weights_that_differ_by_a_byte_are_refused(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.files["/somebody/model/resolve/abc/weights.bin"] = b"other"
    arguments = [str(tmp_path / "to"), "--lock", str(lock_of(tmp_path, b"right"))]
    arguments += ["--hub", f"http://127.0.0.1:{hub.port}"]
    fetcher = load_fetcher()
    assert fetcher.main(arguments) == 1
    assert "is not the file that was locked" in capsys.readouterr().err
    assert list((tmp_path / "to" / "m").iterdir()) == []
    assert fetcher.main([*arguments, "--check"]) == 1


def test_a_gated_model_without_a_token_is_told(hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub.gated = True
    arguments = [str(tmp_path / "to"), "--lock", str(lock_of(tmp_path, b"right"))]
    assert load_fetcher().main([*arguments, "--hub", f"http://127.0.0.1:{hub.port}"]) == 1
    assert "401" in capsys.readouterr().err
    assert len(hub.tokens) == 1  # asking again would not help


def test_the_lock_names_whole_sums_and_a_revision() -> None:
    for model in json.loads((FOLDER / "weights.lock.json").read_text()).values():
        assert re.fullmatch(r"[0-9a-f]{40}", model["revision"])
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in model["files"].values())


def test_everything_that_the_image_copies_is_there_and_let_through() -> None:
    let_through = [
        line[1:] for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert copied
    for source in " ".join(copied).split():
        assert (REPOSITORY / source).exists(), source
        assert any(source == each or source.startswith(f"{each}/") for each in let_through), source


def test_the_image_is_pinned_offline_and_not_root() -> None:
    assert re.search(r"^ARG PYTHON_IMAGE$", DOCKERFILE, re.MULTILINE), "the base image has no default"
    assert re.search(r"^FROM \$\{PYTHON_IMAGE\} AS base$", DOCKERFILE, re.MULTILINE)
    final = DOCKERFILE[DOCKERFILE.index(" AS run") :]
    assert "HF_HUB_OFFLINE=1" in final
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert "HEALTHCHECK" in final
    assert "--require-hashes" in DOCKERFILE
    assert re.search(
        r"^RUN --mount=type=secret,id=hf_token .*--token-file /run/secrets/hf_token$", DOCKERFILE, re.MULTILINE
    )
    assert not re.search(r"^(ARG|ENV) .*TOKEN", DOCKERFILE, re.MULTILINE), "a token would stay in a layer"


@pytest.mark.parametrize(
    ("image", "is_taken"),
    [
        ("python:3.11-slim", False),
        ("", False),
        ("python:3.11-slim@sha256:abc", False),
        (f"python:3.11-slim@sha256:{'0' * 64}", True),
    ],
)
def test_a_base_image_without_its_digest_ends_the_build(image: str, is_taken: bool) -> None:
    step = re.search(r"^RUN (case .*?esac)$", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert step is not None
    done = subprocess.run(["sh", "-ec", step[1]], env={"PYTHON_IMAGE": image}, capture_output=True, check=False)
    assert (done.returncode == 0) is is_taken


def test_the_requirements_hold_what_the_entry_needs_with_sums() -> None:
    text = (FOLDER / "requirements.txt").read_text()
    locked = {name.lower() for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}
    needed = {"fastapi", "uvicorn", "python-multipart", "onnxruntime", "av", "scipy", "google-cloud-storage", "psycopg"}
    needed |= {"httpx", "pydantic-settings", "torch", "speechbrain", "hatchling"}
    assert needed <= locked
    for block in re.split(r"\n(?=\S)", text.strip()):
        assert "--hash=sha256:" in block, block


@pytest.fixture
def entry(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """The container's own entry, run as its last line runs it."""
    command = re.search(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert command is not None
    assert json.loads(command[1]) == ["python", "/app/main.py"]
    port = free_port()
    environment = os.environ | {"PORT": str(port), "TMPDIR": str(tmp_path), "SONICGEN_DATA": str(tmp_path)}
    with (tmp_path.parent / "entry.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, str(FOLDER / "main.py")], env=environment, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            wait_until(lambda: _answers(client, "/health/ready"), seconds=60)
            yield process, client
    finally:
        process.kill()
        process.wait()


def _answers(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False


def test_the_entry_serves_and_ends_only_when_its_work_is_done(
    entry: tuple[subprocess.Popen[bytes], httpx.Client], tmp_path: Path
) -> None:
    process, client = entry
    health = client.get("/health").json()
    assert health["status"] == "healthy"
    assert health["model"]["dimension"] == 192
    found = client.post("/embedding", files={"file": ("a.wav", wav(spoken()))}).json()
    assert np.linalg.norm(found["embedding"]) == pytest.approx(1, abs=1e-4)
    answers: list[httpx.Response] = []
    sound = wav(np.concatenate([dialogue()] * 4))
    caller = threading.Thread(target=lambda: answers.append(client.post("/diarize", files={"file": ("a.wav", sound)})))
    with httpx.Client(base_url=client.base_url, timeout=10, trust_env=False) as other:
        caller.start()
        wait_until(lambda: other.get("/health").json()["requests_under_way"] == 1)
        process.send_signal(signal.SIGTERM)
        caller.join(30)
        assert process.wait(20) in (0, -signal.SIGTERM)  # uvicorn ends, and then dies of the signal that it was sent
    assert answers[0].status_code == 200
    assert answers[0].json()["segments_count"] >= 1
    assert list(tmp_path.iterdir()) == []
