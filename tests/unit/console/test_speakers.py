"""Naming voices over HTTP: what waits, its clips, a name, enrolment, erasure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from sonicgen.console import speakers as routes
from sonicgen.console.app import create_app
from sonicgen.steps.services import Services
from tests.unit.steps.conftest import listening, pitch_embedder  # noqa: F401  (fixtures)
from tests.unit.steps.speakers import ANNA, BERT, CARL, hear, names, record, talk, write


class Client:
    """Asks the application."""

    def __init__(self) -> None:
        self._app = create_app()

    def __getattr__(self, method: str) -> Callable[..., httpx.Response]:
        async def ask(path: str, **parts: object) -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=30) as client:
                return await client.request(method.upper(), path, **parts)  # type: ignore[arg-type]

        return lambda path, **parts: asyncio.run(ask(path, **parts))


@pytest.fixture
def client(listening: Services, monkeypatch: pytest.MonkeyPatch) -> Client:  # noqa: F811
    monkeypatch.setattr(routes, "services", lambda: listening)
    return Client()


def test_a_voice_is_heard_and_named(client: Client, listening: Services, tmp_path: Path) -> None:  # noqa: F811
    one = record(listening, tmp_path, [("A", ANNA), ("B", BERT)] * 3, seed=1)
    hear(listening, one)
    first, second = client.get("/v1/voices").json()["voices"]
    assert first["speech_seconds"] >= second["speech_seconds"]
    clip = client.get(first["clips"][0]["audio_url"])
    assert (clip.status_code, clip.headers["content-type"]) == (200, "audio/flac")
    assert clip.content[:4] == b"fLaC"
    assert client.post(f"/v1/voices/{second['id']}/skip").status_code == 204
    done = client.post(f"/v1/voices/{first['id']}/name", json={"name": "  Anna   Bell "}).json()
    assert (done["name"], done["recordings"]) == ("Anna Bell", 1)
    assert "Anna Bell" in names(listening, one)
    shown = client.get(f"/v1/speakers/{first['id']}").json()
    assert shown["appearances"][0]["is_confirmed"] is True
    assert "vector" not in str(shown).replace("is_", "")
    other = client.post(f"/v1/voices/{second['id']}/name", json={"name": "Bert"}).json()
    clash = client.patch(f"/v1/speakers/{second['id']}", json={"name": "anna bell"})
    assert clash.status_code == 400
    merged = client.post(f"/v1/speakers/{first['id']}/merge", json={"speakers": [second["id"]]}).json()
    assert next(each["kind"] for each in client.get("/v1/speakers/changes").json()["changes"]) == "speakers_merged"
    blocked = client.post(f"/v1/speakers/changes/{other['decision']}/undo")
    assert blocked.status_code == 400
    assert client.post(f"/v1/speakers/changes/{merged['decision']}/undo").status_code == 200
    page = client.get("/v1/speakers", params={"limit": 1}).json()
    rest = client.get("/v1/speakers", params={"limit": 1, "cursor": page["next"]}).json()
    assert [page["speakers"][0]["name"], rest["speakers"][0]["name"]] == ["Anna Bell", "Bert"]
    assert rest["next"] is None
    gone = client.delete(f"/v1/speakers/{first['id']}").json()
    assert gone["traces"]["is_clean"] is True
    assert client.get(f"/v1/speakers/{first['id']}").status_code == 404
    assert client.get(first["clips"][0]["audio_url"]).status_code == 404


def test_enrolment_over_http(client: Client, tmp_path: Path) -> None:
    sample = write(tmp_path / "carl.flac", talk([("A", CARL)] * 3)).read_bytes()
    form = {"name": "Carl", "consent_by": "Carl", "purpose": "a test"}
    files = [("files", ("carl.flac", sample, "audio/flac"))]
    assert client.post("/v1/speakers/enroll", data=form | {"consent_by": " "}, files=files).status_code == 400
    bad = client.post("/v1/speakers/enroll", data=form, files=[*files, ("files", ("x.wav", b"text", "audio/wav"))])
    assert (bad.status_code, bad.json()["reason"]) == (422, "not_audio")
    done = client.post("/v1/speakers/enroll", data=form, files=files)
    assert (done.status_code, done.json()["state"]) == (201, "enrolled")
    again = client.post("/v1/speakers/enroll", data=form, files=files)
    assert (again.status_code, again.json()["reason"]) == (422, "name_taken")
    assert client.get(f"/v1/speakers/enrolments/{again.json()['id']}").json()["state"] == "refused"
