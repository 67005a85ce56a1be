from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import httpx
import pytest

from sonicgen import settings as settings_module
from sonicgen.console.app import create_app
from sonicgen.steps import services as services_module
from sonicgen.store.database import Database
from tests.unit.steps.transcripts import line, tell

Get = Callable[..., httpx.Response]


@pytest.fixture
def get(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Get]:
    """Ask the page's application, which works on a database of its own."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    settings_module.settings.cache_clear()
    services_module.services.cache_clear()
    app = create_app()

    async def ask(path: str, parameters: dict[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get(path, params=parameters)

    yield lambda path, **parameters: asyncio.run(ask(path, parameters))
    services_module.services().database.close()
    settings_module.settings.cache_clear()
    services_module.services.cache_clear()


def test_transcripts_and_search(get: Get, database: Database) -> None:
    talk = tell(database, [line("we met Ada", 1.0), line("snow and snow", 4.0, "B")], title="talk.mp3")
    address = f"/v1/recordings/{talk.id}/transcript"
    assert get(address).json()["utterances"][1]["text"] == "snow and snow"
    vtt = get(address, format="vtt")
    assert vtt.headers["content-type"] == "text/vtt; charset=utf-8"
    assert "<v Speaker B>snow and snow" in vtt.text
    wrong = get(address, format="doc")
    assert (wrong.status_code, list(wrong.json())) == (400, ["error"])
    assert get(address.replace(str(talk.id)[:8], "00000000")).status_code == 404

    found = get("/v1/search", q="snow", speaker="B", after="2020-01-01").json()
    assert [(hit["title"], hit["seconds"]) for hit in found["hits"]] == [("talk.mp3", 4.0)]
    assert found["next"] is None
    assert get("/v1/search", q="nowhere").json()["hits"] == []
    for parameters in ({"q": "-snow"}, {"q": "snow", "after": "x"}, {"q": "snow", "cursor": "x"}):
        answer = get("/v1/search", **parameters)
        assert (answer.status_code, list(answer.json())) == (400, ["error"]), parameters
    assert get("/v1/search", q="snow", channel="UC").status_code == 404
