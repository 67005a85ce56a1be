from __future__ import annotations

import socket
import time

import httpx
import pytest

from sonicgen.errors import ForbiddenAddressError
from sonicgen.services.guard import Guard
from sonicgen.services.guarding_proxy import guarding_proxy
from tests.media_server import MediaServer


def client(url: str, **more: bool) -> httpx.Client:
    return httpx.Client(proxy=url, trust_env=False, timeout=10, **more)  # type: ignore[arg-type]


def connect(port: int, place: str) -> tuple[socket.socket, bytes]:
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    connection.sendall(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
    return connection, connection.recv(1000)


def test_requests_pass_in_both_forms(server: MediaServer, guard: Guard) -> None:
    url = server.add("/a?b".partition("?")[0], b"content" * 1000, "text/plain")
    with guarding_proxy(guard, 10**6) as proxy:
        with client(proxy.url) as plain:
            assert plain.get(url).content == b"content" * 1000
            assert plain.get(url).status_code == 200
            assert plain.post(url, content=b"x" * 50_000).status_code == 200
        assert server.received[0][2] == b"x" * 50_000
        assert not any(name.lower().startswith("proxy-") for name in server.received[0][1])
        connection, answer = connect(proxy.port, server.place)
        assert answer.startswith(b"HTTP/1.1 200")
        connection.sendall(f"GET /a HTTP/1.1\r\nHost: {server.place}\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        connection.close()
        assert proxy.traffic.received_bytes > 14_000
        assert proxy.traffic.error is None


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "127.0.0.1:1", "localhost", "[::1]", "2852039166", "[::ffff:a00:1]"]
)
def test_private_networks_are_refused_in_both_forms(server: MediaServer, guard: Guard, host: str) -> None:
    with guarding_proxy(guard, 10**6) as proxy:
        with client(proxy.url) as plain:
            assert plain.get(f"http://{host}/").status_code in (400, 403)
        place = host if host.endswith(":1") else f"{host}:443"
        connection, answer = connect(proxy.port, place)
        connection.close()
        assert answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400"))
        assert isinstance(proxy.traffic.error, ForbiddenAddressError)


def test_redirects_are_checked_like_links(server: MediaServer, guard: Guard) -> None:
    with guarding_proxy(guard, 10**6) as proxy, client(proxy.url, follow_redirects=True) as plain:
        assert plain.get(server.url("/redirect?to=http://169.254.169.254/")).status_code == 403


def test_what_is_too_much_is_cut_off(server: MediaServer, guard: Guard) -> None:
    with guarding_proxy(guard, 500_000) as proxy, client(proxy.url) as plain:
        with pytest.raises(httpx.HTTPError):
            plain.get(server.url("/huge"))
        assert proxy.traffic.is_too_much
        assert proxy.traffic.received_bytes < 700_000


def test_closing_cuts_what_is_open(server: MediaServer, guard: Guard) -> None:
    with guarding_proxy(guard, 10**6) as proxy:
        connection, _ = connect(proxy.port, server.place)
        connection.sendall(f"GET /silent HTTP/1.1\r\nHost: {server.place}\r\n\r\n".encode())
        deadline = time.monotonic() + 5
        while proxy.traffic.open_connections < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert connection.recv(10) == b""
    connection.close()


def test_an_outside_proxy_gets_checked_addresses(server: MediaServer, guard: Guard) -> None:
    url = server.add("/a", b"through two", "text/plain")
    with guarding_proxy(guard, 10**6) as outside:
        chained = Guard(guard.allowed_hosts, proxy=outside.url)
        with guarding_proxy(chained, 10**6) as proxy, client(proxy.url) as plain:
            assert plain.get(url).text == "through two"
            assert outside.traffic.opened_connections == 2
            assert plain.get("http://169.254.169.254/").status_code == 403
            assert outside.traffic.opened_connections == 2
