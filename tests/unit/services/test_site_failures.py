"""From what a site says to a reason, through the real yt-dlp: its plugin in tests/pretend_site plays the site."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sonicgen.errors import DownloadError
from sonicgen.services.downloader import Downloader
from sonicgen.settings import read_settings
from tests.media_server import MediaServer

TESTS = Path(__file__).parents[2]
MESSAGES = json.loads((TESTS / "payloads" / "yt_dlp_messages.json").read_text())
BEGINS = 1_900_000_000
Make = Callable[..., Downloader]


@pytest.fixture
def make(server: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return a maker of downloaders that know the pretended site."""
    monkeypatch.syspath_prepend(str(TESTS / "pretend_site"))

    def make(**overrides: Any) -> Downloader:
        # A PO-token provider's address is what has yt-dlp look for plugins.
        chosen = {"allowed_hosts": server.place, "download_dir": tmp_path / "downloads"}
        return Downloader(read_settings(**(chosen | {"pot_provider_url": "http://127.0.0.1:1"} | overrides)))

    return make


def page(server: MediaServer, name: str, **content: Any) -> str:
    return server.add(f"/pretend/{name}", json.dumps(content).encode(), "application/json")


def failure(downloader: Downloader, url: str) -> DownloadError:
    with pytest.raises(DownloadError) as raised, downloader.download(url, downloader.limits(is_job=False)):
        pass
    return raised.value


def test_what_a_site_says_becomes_a_reason(server: MediaServer, make: Make) -> None:
    downloader = make()
    one_of_each = {row["reason"]: row for row in MESSAGES if row["site"] == "youtube"}
    assert {"private", "members_only", "age_restricted", "bot_check", "not_yet_begun", "rate_limited"} < set(
        one_of_each
    )
    urls = {page(server, reason, message=row["message"]): reason for reason, row in one_of_each.items()}
    with ThreadPoolExecutor(4) as pool:
        errors = dict(zip(urls, pool.map(lambda url: failure(downloader, url), urls), strict=True))
    assert {url: error.reason for url, error in errors.items()} == urls
    assert all(error.detail and "--cookies" not in error.detail for error in errors.values())
    assert list(downloader._settings.download_dir.iterdir()) == []


def test_the_time_of_a_premiere_is_asked_for(server: MediaServer, make: Make) -> None:
    url = page(server, "premiere", message="Premieres in 3 hours", info={"release_timestamp": BEGINS})
    error = failure(make(), url)
    assert (error.reason, error.release_at) == ("not_yet_begun", datetime.fromtimestamp(BEGINS, UTC))
    assert error.detail == "Premieres in 3 hours"
    upcoming = {"live_status": "is_upcoming", "release_timestamp": BEGINS, "formats": [{"url": server.url("/a.m4a")}]}
    assert failure(make(), page(server, "upcoming", info=upcoming)).release_at == error.release_at


def test_of_many_formats_the_best_sound_alone_is_fetched(server: MediaServer, make: Make) -> None:
    films = [("18", "avc1.42001E", "mp4a.40.2", "mp4"), ("137", "avc1.640028", "none", "mp4")]
    sounds = [("139", "none", "mp4a.40.5", "m4a"), ("251", "none", "opus", "webm"), ("140", "none", "mp4a.40.2", "m4a")]
    rates = {"18": 500, "137": 4000, "139": 48, "251": 160, "140": 128}
    formats = [
        {"format_id": name, "vcodec": video, "acodec": audio, "ext": extension, "tbr": rates[name],
         "abr": rates[name], "url": server.add(f"/{name}", name.encode() * 1000, "application/octet-stream")}
        for name, video, audio, extension in films + sounds
    ]  # fmt: skip
    url = page(server, "talk", info={"title": "A talk", "duration": 61, "formats": formats, "timestamp": 1_700_000_000})
    downloader = make()
    with downloader.download(url, downloader.limits(is_job=False)) as done:
        assert done.path.read_bytes() == b"251" * 1000
        assert (done.media.title, done.media.duration_seconds, done.media.extension) == ("A talk", 61.0, "webm")
        assert done.media.published_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert not {"GET /18", "GET /137", "GET /139", "GET /140"} & set(server.asked)


def test_long_ones_are_known_by_their_length_before_a_byte_is_fetched(server: MediaServer, make: Make) -> None:
    formats = [{"url": server.url("/huge"), "vcodec": "none", "acodec": "opus", "ext": "webm"}]
    url = page(server, "long", info={"duration": 5 * 3600, "formats": formats})
    assert failure(make(), url).reason == "long"
    assert failure(make(download_maximum_hours=4), url).reason == "too_long"
    assert server.asked == ["GET /pretend/long"] * 2
