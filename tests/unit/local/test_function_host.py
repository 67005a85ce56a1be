"""Several functions in one process keep their own ways of being called."""

from __future__ import annotations

import json
from pathlib import Path

from werkzeug.test import Client

from sonicgen.local.function_host import create_app

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
