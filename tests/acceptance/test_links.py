"""Links, on a whole embedded cloud."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from sonicgen.cloud.documents import read_progress
from sonicgen.cloud.objects import list_objects
from sonicgen.domain.source import linked_video_id
from sonicgen.steps.add_link import add_link
from sonicgen.store import downloads, recordings
from tests.acceptance.conftest import LEASE_SECONDS, Cloud, cloud, wait_for
from tests.media_server import MediaServer, media_server


@pytest.fixture(scope="module")
def server() -> Iterator[MediaServer]:
    """A web server on this machine."""
    with media_server() as running:
        yield running


@pytest.fixture(scope="module")
def links_cloud(tmp_path_factory: pytest.TempPathFactory, server: MediaServer) -> Iterator[Cloud]:
    """A cloud whose downloads may reach that server."""
    environment = {
        "SONICGEN_LEASE_SECONDS": LEASE_SECONDS,
        "SONICGEN_ALLOWED_HOSTS": server.place,
        "SONICGEN_DOWNLOAD_STALL_SECONDS": "3",
        "SONICGEN_DOWNLOAD_BYTES": "5000000",
    }
    with cloud(tmp_path_factory.mktemp("data"), **environment) as running:
        yield running


def test_from_links_to_decisions_and_reasons(
    links_cloud: Cloud, server: MediaServer, music: Callable[..., Path], tmp_path: Path
) -> None:
    body = music(71, seconds=20).read_bytes()
    original = server.add("/talk.mp3", body, "audio/mpeg", bytes_per_second=len(body) / 2)
    copy = server.add("/copy.mp3", body + b"\0" * 100, "audio/mpeg")
    [first] = links_cloud.json("add", original)
    assert (first["match_status"], first["title"], first["published_uri"]) == ("fingerprinted", "talk", original)
    troubles = {
        copy: ("stored", "stored"),
        "http://169.254.169.254/latest/meta-data/": ("failed", "private_address"),
        server.url("/redirect?to=http://169.254.169.254/"): ("failed", "private_address"),
        server.url("/huge"): ("skipped", "too_large"),
        server.url("/stall"): ("waiting", "stalled"),
    }
    done = links_cloud.command("add", *troubles, "--json")
    assert done.returncode == 3
    told = json.loads(done.stdout)
    assert {
        each["download"]["url"]: (each["download"]["state"], each["download"]["reason"]) for each in told
    } == troubles
    assert (told[0]["match_status"], told[0]["original_video_id"]) == ("matched", first["id"])
    assert list((links_cloud.folder.downloads).iterdir()) == []
    listed = links_cloud.command("list").stdout
    assert all(word in listed for word in ("failed", "skipped", "waiting", "fingerprinted"[:8], "matched"))
    shown = links_cloud.command("show", told[1]["id"])
    assert "private network" in " ".join(shown.stdout.split())


def test_a_killed_download_begins_again_and_leaves_nothing(
    links_cloud: Cloud, server: MediaServer, music: Callable[..., Path]
) -> None:
    body = music(72, seconds=20).read_bytes()
    url = server.add("/slow.mp3", body, "audio/mpeg", bytes_per_second=len(body) / 6)
    identifier = linked_video_id(url)
    assert add_link(links_cloud.services, url) == identifier
    wait_for(lambda: (told := read_progress(str(identifier))) is not None and told.fraction > 0.1)
    kill_functions(links_cloud)
    database = links_cloud.services.database
    wait_for(lambda: (found := downloads.find(database, identifier)) is not None and found.state == "stored")
    wait_for(lambda: recordings.get(database, identifier).is_final)
    download = downloads.find(database, identifier)
    assert download is not None
    assert download.attempts == 2
    stored = [each.name for each in list_objects("sonicgen-media", f"audio/other/{identifier}")]
    assert stored == [f"audio/other/{identifier}.mp3"]
    assert list(links_cloud.folder.downloads.iterdir()) == []
    assert recordings.get(database, identifier).attempts == 1


def kill_functions(running: Cloud) -> None:
    """Kill the light functions without warning; yt-dlp's process is left to notice."""
    for process in psutil.Process(running.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "sonicgen.local.function_host" in " ".join(process.cmdline()):
                os.kill(process.pid, signal.SIGKILL)
