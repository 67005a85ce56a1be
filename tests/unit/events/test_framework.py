"""Every recorded request through a real functions-framework: what it makes of them, we can parse."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

IDENTITY = "sonicgen-inbox/interviews/\u00e9t\u00e9 1.mp3#1763690000123456"


class Function:
    """A running function and what it wrote down."""

    def __init__(self, port: int, notes: Path) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._notes = notes

    def send(self, request: dict[str, Any]) -> tuple[int, Any]:
        """Return the status and what the function understood, None when it was not called."""
        before = self._lines()
        body = json.dumps(request["body"]).encode()
        answer = httpx.post(self._url + request["path"], content=body, headers=request["headers"], timeout=10)
        after = self._lines()
        return answer.status_code, json.loads(after[-1]) if len(after) > len(before) else None

    def _lines(self) -> list[str]:
        return self._notes.read_text().splitlines() if self._notes.exists() else []


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    folder = tmp_path_factory.mktemp("function")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "functions_framework", "--target", "note", "--host", "127.0.0.1"]
    source = str(Path(__file__).parent / "function_main.py")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--source", source, "--port", str(port)],
            env={**os.environ, "NOTES": str(folder / "notes")},
            stdout=log,
            stderr=log,
        )
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.05)
        yield Function(port, folder / "notes")
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize(
    ("name", "event_id"),
    [
        ("storage_finalized_eventarc", "11223344556677"),
        ("storage_notification_eventarc", "9876543210"),
        ("storage_notification_raw_push", "9876543210"),
    ],
)
def test_a_new_object(function: Function, recorded: Callable[[str], Any], name: str, event_id: str) -> None:
    assert function.send(recorded(name)) == (200, {"identity": IDENTITY, "size": 4194304, "id": event_id})


@pytest.mark.parametrize(
    "name",
    [
        "storage_deleted_eventarc",
        "storage_notification_deleted_raw_push",
        "storage_notification_metadata_raw_push",
    ],
)
def test_what_is_to_be_ignored(function: Function, recorded: Callable[[str], Any], name: str) -> None:
    assert function.send(recorded(name)) == (200, {})


@pytest.mark.parametrize("name", ["recording_fingerprinted_native", "recording_fingerprinted_raw_push"])
def test_our_own_event(function: Function, recorded: Callable[[str], Any], name: str) -> None:
    told = recorded("recording_fingerprinted_native")["body"]
    expected = {"data": told, "time": "2026-11-21T01:53:24.500000+00:00"}
    assert function.send(recorded(name)) == (200, expected)


def test_a_broken_event_fails_in_the_function(function: Function, recorded: Callable[[str], Any]) -> None:
    request = recorded("storage_finalized_eventarc")
    del request["body"]["generation"]
    assert function.send(request) == (500, None)


def test_a_message_without_data_never_arrives(function: Function, recorded: Callable[[str], Any]) -> None:
    """Why buckets must be told with JSON_API_V1: functions-framework answers 400 to a raw push of attributes alone."""
    request = recorded("storage_notification_raw_push")
    del request["body"]["message"]["data"]
    assert function.send(request) == (400, None)
