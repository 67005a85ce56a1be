"""Pushes to a cloud_event function that functions-framework serves, in both forms."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Cloud

TOPIC = "projects/test/topics/news"

FUNCTION = """
import json, os
import functions_framework

@functions_framework.cloud_event
def main(event):
    line = json.dumps({"id": event["id"], "type": event["type"], "source": event["source"], "data": event.data})
    descriptor = os.open(os.environ["RECEIVED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, (line + "\\n").encode())
    os.close(descriptor)
"""


@pytest.fixture
def function(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    source = tmp_path / "main.py"
    source.write_text(FUNCTION)
    received = tmp_path / "received.jsonl"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "-m", "functions_framework"),
        *("--source", str(source), "--target", "main", "--signature-type", "cloudevent"),
        *("--host", "127.0.0.1", "--port", str(port)),
    ]
    process = subprocess.Popen(
        command, env={"RECEIVED": str(received)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    yield f"http://127.0.0.1:{port}", received
    process.terminate()
    process.wait(20)


def _received(path: Path, count: int) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 30
    while not path.exists() or len(path.read_text().splitlines()) < count:
        assert time.monotonic() < deadline, "the function was not called"
        time.sleep(0.02)
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_function_gets_cloud_events_in_both_forms(cloud: Cloud, function: tuple[str, Path]) -> None:
    address, received = function
    cloud.create(
        "projects/test/subscriptions/native",
        push_config={"push_endpoint": address, "no_wrapper": {"write_metadata": True}},
    )
    attributes = {
        "ce-id": "event-1",
        "ce-type": "video.discovered",
        "ce-source": "//sonicgen/channel_ingest",
        "ce-specversion": "1.0",
        "ce-time": datetime.now(UTC).isoformat(),
        "Content-Type": "application/json",
    }
    # The function is still starting: the push waits for it.
    cloud.publish('{"video": "é"}', **attributes)
    assert _received(received, 1) == [
        {
            "id": "event-1",
            "type": "video.discovered",
            "source": "//sonicgen/channel_ingest",
            "data": {"video": "é"},
        }
    ]
    other = "projects/test/topics/raw"
    cloud.create("projects/test/subscriptions/raw", other, push_config={"push_endpoint": f"{address}/{other}"})
    (number,) = cloud.publish("plain", topic=other, colour="blue")
    event = _received(received, 2)[1]
    assert event["id"] == number
    assert event["type"] == "google.cloud.pubsub.topic.v1.messagePublished"
    assert event["source"] == f"//pubsub.googleapis.com/{other}"
    assert base64.b64decode(event["data"]["message"]["data"]) == b"plain"
    assert event["data"]["message"]["attributes"] == {"colour": "blue"}
