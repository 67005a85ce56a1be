from __future__ import annotations

import time

import pytest

from sonicgen.errors import ForbiddenAddressError, InputError, SonicGenError, TooLargeError, UnavailableError
from sonicgen.services.fetch import Fetched, fetch
from sonicgen.services.guard import Guard
from tests.media_server import MediaServer


def get(url: str, guard: Guard, seconds: float = 5, most: int = 100_000, **more: bytes) -> Fetched:
    return fetch(url, maximum_bytes=most, timeout_seconds=seconds, guard=guard, **more)  # type: ignore[arg-type]


def test_a_document_with_its_headers(server: MediaServer, guard: Guard) -> None:
    url = server.add("/feed.xml", b"<rss/>", "application/rss+xml", ETag='"7"')
    fetched = get(server.url(f"/redirect?to={url}"), guard)
    assert (fetched.url, fetched.status, fetched.body, fetched.headers["etag"]) == (url, 200, b"<rss/>", '"7"')


@pytest.mark.parametrize("status", [304, 403, 404, 410, 429, 500])
def test_every_status_is_an_answer(server: MediaServer, guard: Guard, status: int) -> None:
    assert get(server.url(f"/status/{status}"), guard).status == status


def test_posting(server: MediaServer, guard: Guard) -> None:
    assert get(server.url("/status/202"), guard, data=b"hub.mode=subscribe").status == 202
    assert server.received[0][2] == b"hub.mode=subscribe"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/redirect?to=http://169.254.169.254/latest/meta-data", ForbiddenAddressError),
        ("/redirect?to=http://[::1]/", ForbiddenAddressError),
        ("/redirect?to=http://2852039166/", ForbiddenAddressError),
        ("/redirect?to=file:///etc/passwd", InputError),
        ("/redirect?to=http://a@example.org/", InputError),
        ("/loop", InputError),
        ("/huge", TooLargeError),
        ("/huge-chunked", TooLargeError),
        ("/bomb", TooLargeError),
        ("/cut", UnavailableError),
        ("/silent", UnavailableError),
        ("/stall", UnavailableError),
        ("/drip", UnavailableError),
    ],
)
def test_trouble_ends_soon_and_with_a_sentence(
    server: MediaServer, guard: Guard, path: str, error: type[SonicGenError]
) -> None:
    is_awaited = error is UnavailableError  # the others are over as soon as enough has come, on a slow machine later
    started = time.monotonic()
    with pytest.raises(error) as raised:
        get(server.url(path), guard, seconds=1.0 if is_awaited else 20.0, most=1_500_000)
    assert time.monotonic() - started < (4.0 if is_awaited else 20.0)
    assert str(raised.value).endswith((".", "it."))


def test_private_hosts_are_not_asked(server: MediaServer) -> None:
    with pytest.raises(ForbiddenAddressError):
        get(server.url("/a"), Guard())
    assert server.asked == []
