"""A channel on a YouTube of this machine, and what is published about its videos."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from sonicgen.services import youtube as youtube_module
from sonicgen.steps.services import Services
from tests.sources_fixture import MakeServices, Topic
from tests.youtube_server import KEY, YoutubeServer, make_channel, serving


@pytest.fixture
def server() -> Iterator[YoutubeServer]:
    with serving(make_channel(120)) as running:
        yield running


@pytest.fixture
def services(server: YoutubeServer, make_source_services: MakeServices, monkeypatch: pytest.MonkeyPatch) -> Services:
    monkeypatch.setattr(youtube_module, "_FIRST_PAUSE_SECONDS", 0.001)
    return make_source_services(youtube_api_key=KEY, youtube_endpoint=server.url)


@pytest.fixture
def discovered(topic: Callable[[str], Topic], services: Services) -> Topic:
    return topic("video-discovered")
