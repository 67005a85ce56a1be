"""What the tests of the services share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sonicgen.services.guard import Guard
from tests.media_server import MediaServer, media_server


@pytest.fixture
def server() -> Iterator[MediaServer]:
    """A web server on this machine."""
    with media_server() as running:
        yield running


@pytest.fixture
def guard(server: MediaServer) -> Guard:
    """A guard that lets through to that server and to nothing else that is private."""
    return Guard(allowed_hosts=frozenset({server.place}))
