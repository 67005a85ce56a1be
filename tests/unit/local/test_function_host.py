"""Several functions in one process keep their own ways of being called."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from functions_framework import _function_registry
from werkzeug.test import Client

from sonicgen.errors import LocalError
from sonicgen.local.function_host import GRACE_SECONDS, create_app
from sonicgen.local.supervisor import free_port

EVENT = """
import functions_framework
@functions_framework.cloud_event
def main(event):
    if event.data == {"fail": True}:
        raise RuntimeError("no")
    print(event["source"], event.data)
"""
HTTP = """
import functions_framework
@functions_framework.http
def main(request):
    return {"asked": request.path}, 202
"""


def make(folder: Path, name: str, source: str) -> Path:
    (folder / name).mkdir()
    (folder / name / "main.py").write_text(source)
    return folder / name


def event(client: Client, path: str, data: object) -> int:
    headers = {"ce-id": "1", "ce-type": "t", "ce-source": "s", "ce-specversion": "1.0"}
    return client.post(path, data=json.dumps(data), content_type="application/json", headers=headers).status_code


def test_each_path_has_its_function(tmp_path: Path) -> None:
    client = Client(create_app([make(tmp_path, "first", EVENT), make(tmp_path, "second", HTTP)]))
    assert event(client, "/first/projects/p/topics/t", {"a": 1}) == 200
    assert event(client, "/first/projects/p/topics/t", {"fail": True}) == 500
    answer = client.post("/second/hook")
    assert (answer.status_code, answer.json) == (202, {"asked": "/hook"})
    assert client.post("/third").status_code == 404


COROUTINE = """
import functions_framework.aio
@functions_framework.aio.http
async def main(request):
    return "ok"
"""


def test_a_coroutine_has_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_function_registry, "ASGI_FUNCTIONS", set())
    with pytest.raises(LocalError, match="shares_a_process"):
        create_app([make(tmp_path, "alone", COROUTINE)])


SLOW = """
import functions_framework, time
@functions_framework.http
def main(request):
    if request.path.endswith("slow"):
        time.sleep(60)
    return "ok"
"""


def test_long_work_is_cut_off_at_the_end(tmp_path: Path) -> None:
    port, folder = free_port(), make(tmp_path, "waiting", SLOW)
    host = subprocess.Popen(
        [sys.executable, "-m", "sonicgen.local.function_host", str(port), str(folder)], stderr=subprocess.DEVNULL
    )

    def ask(path: str) -> None:
        with suppress(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{port}/waiting/{path}", timeout=60)

    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                httpx.get(f"http://127.0.0.1:{port}/waiting/")
                break
            time.sleep(0.1)
        thread = threading.Thread(target=ask, args=("slow",))
        thread.start()
        time.sleep(0.3)
        started = time.monotonic()
        host.terminate()
        host.wait(30)
        assert time.monotonic() - started < GRACE_SECONDS + 3
        thread.join()
    finally:
        host.kill()
        host.wait()
