"""Sources in a whole embedded cloud: discovered once, also when what reads them is killed."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator

import psutil
import pytest

from sonicgen.cloud import bus
from sonicgen.store import sources
from tests.acceptance.conftest import COMMAND, LEASE_SECONDS, Cloud, clean_environment, cloud, wait_for
from tests.youtube_server import KEY, YoutubeServer, make_channel, serving

COUNT = 600
LEAST_UNITS = 1 + 2 * COUNT // 50


@pytest.fixture(scope="module")
def youtube() -> Iterator[YoutubeServer]:
    with serving(make_channel(COUNT)) as server:
        yield server


@pytest.fixture(scope="module")
def system(youtube: YoutubeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    settings = {
        "YOUTUBE_API_KEY": KEY,
        "SONICGEN_YOUTUBE_ENDPOINT": youtube.url,
        "SONICGEN_DOWNLOADS": "off",
        "SONICGEN_LEASE_SECONDS": LEASE_SECONDS,
    }
    with cloud(tmp_path_factory.mktemp("data"), **settings) as running:
        yield running


def kill_functions(system: Cloud) -> None:
    """Kill what the light functions run in, all of it at once."""
    for child in psutil.Process(system.process.pid).children():
        if "sonicgen.local.function_host" in " ".join(child.cmdline()):
            for process in (*child.children(recursive=True), child):
                process.kill()
            return
    raise AssertionError("the functions do not run")


def test_a_channel_is_discovered_once_although_its_reader_is_killed(system: Cloud, youtube: YoutubeServer) -> None:
    youtube.delay_seconds = 0.1
    command = [*COMMAND, "ingest", "@weather", "--json"]
    environment = clean_environment(system.folder.root)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as watching:
        wait_for(lambda: len(youtube.calls) >= LEAST_UNITS // 2)
        kill_functions(system)
        half = sources.list_all(system.services.database)[0]
        assert 0 < half.discovered < COUNT
        youtube.delay_seconds = 0.0
        printed, _ = watching.communicate(timeout=60)
    assert watching.returncode == 0
    (told,) = json.loads(printed)
    assert (told["state"], told["discovered"], told["new"]) == ("done", COUNT, COUNT)
    assert len(system.all()) == COUNT
    assert LEAST_UNITS <= len(youtube.calls) <= LEAST_UNITS + 2  # the page that was being read when it died
    assert {recording.youtube_id for recording in system.all()} == set(youtube.videos)


def test_a_repeat_brings_nothing_and_costs_one_unit(system: Cloud, youtube: YoutubeServer) -> None:
    spent = Counter(youtube.spent)
    done = system.command("ingest", "https://www.youtube.com/@Weather")
    assert done.returncode == 0, done.stderr
    assert "0 discovered: 0 new, 0 left out, 1 units" in done.stdout
    assert (youtube.spent - spent) == {"playlistItems": 1}
    assert len(system.all()) == COUNT


def test_what_people_publish_by_hand_is_read(system: Cloud, youtube: YoutubeServer) -> None:
    bus.publish_message("channel-ingest", b'{"source": "https://youtu.be/vid00000007", "watch": "yes"}', {})
    bus.publish_message("channel-ingest", b'{"source": "https://youtu.be/vid00000007"}', {})

    def ended() -> bool:
        known = {source.address: source for source in sources.list_all(system.services.database)}
        return "vid00000007" in known and known["vid00000007"].title == "Weather report 7"

    wait_for(ended)
    listed = system.json("sources")
    states = {source["address"]: (source["state"], source["explanation"]) for source in listed["sources"]}
    assert states["vid00000007"][0] == "done"
    state, explanation = wait_for(lambda: _states(system).get("https://youtu.be/vid00000007"))
    assert state == "failed"
    assert "The watch of the request for a source is neither true nor false." in explanation
    assert listed["youtube_quota"]["units"] == len(youtube.calls)
    assert len(system.all()) == COUNT


def _states(system: Cloud) -> dict[str, tuple[str, str]]:
    return {s.address: (str(s.state), s.explain()) for s in sources.list_all(system.services.database)}


def test_bad_input_is_told(system: Cloud) -> None:
    done = system.command("ingest", "@nobody", "http://169.254.169.254/feed.xml")
    assert done.returncode == 3
    told = " ".join(done.stdout.split())
    assert "YouTube knows no such channel; check the handle" in told
    assert "The address may not be fetched. 169.254.169.254 is not reached" in told
    assert len(system.all()) == COUNT


def test_sources_are_listed_watched_and_stopped(system: Cloud) -> None:
    assert system.json("ingest", "@weather", "--watch")[0]["is_watched"]
    assert "The Weather" in system.command("sources").stdout
    assert "Stopped: The Weather" in system.command("sources", "--stop", "@weather").stdout
    stopped = next(each for each in sources.list_all(system.services.database) if each.address == "@weather")
    assert (stopped.reason, stopped.next_poll_at) == ("stopped", None)
    assert "Discovered, waiting for its download." in system.command("show", "vid00000007").stdout
