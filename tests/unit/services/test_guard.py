from __future__ import annotations

import base64
import socket
import threading
import time
from typing import Any

import pytest

from sonicgen.errors import ForbiddenAddressError, InputError, SettingsError, UnavailableError
from sonicgen.services.guard import Guard, is_public, read_target
from tests.media_server import MediaServer

PRIVATE = (
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "0.0.0.0",  # noqa: S104
    "100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1",
    "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.88.99.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
    "fd00:ec2::254", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
    "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001::1",
    "2001:db8::1", "100::1",
)  # fmt: skip
PUBLIC = (
    "8.8.8.8",
    "1.1.1.1",
    "142.250.1.1",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_known(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://example.org/a", "javascript:alert(1)", "example.org/a", "http://", "http:///a",
        "https://youtube.com@169.254.169.254/", "http://user:word@example.org/", "http://example.org:0/",
        "http://example.org:99999/", "http://exam ple.org/", "http://example.org\\@127.0.0.1/", "http://a\r\nHost: b/",
        "http://[::1/", "http://ex*mple.org/", "http://-a.example/", "http://a..b/", "gopher://127.0.0.1:6379/_x",
        "http://" + "a" * 300 + ".example/", "http://example.org/" + "a" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_plain_link_is_refused(url: str) -> None:
    with pytest.raises(InputError):
        read_target(url)


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("HTTP://ExAmple.ORG", "example.org", 80, "/"),
        ("https://example.org./a?b=c#d", "example.org", 443, "/a?b=c"),
        ("https://bücher.example:8443/x", "xn--bcher-kva.example", 8443, "/x"),
        ("http://[2606:4700::1111]:8080/", "2606:4700::1111", 8080, "/"),
        ("https://youtube.com.evil.example/watch", "youtube.com.evil.example", 443, "/watch"),
    ],
)
def test_links_are_read(url: str, host: str, port: int, path: str) -> None:
    target = read_target(url)
    assert (target.host, target.port, target.path) == (host, port, path)


# Each of these is the loopback or the metadata server to a system's resolver.
@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f000001", "017700000001", "0x7f.1", "localhost", "2852039166", "0xa9fea9fe"]
)
def test_other_spellings_of_private_addresses_are_refused(host: str) -> None:
    with pytest.raises(ForbiddenAddressError, match="no public address"):
        Guard().addresses(read_target(f"http://{host}/").host, 80)


def test_only_the_very_host_and_port_are_let_through(server: MediaServer) -> None:
    guard = Guard(allowed_hosts=frozenset({server.place}))
    guard.connect("127.0.0.1", server.port, time.monotonic() + 5).close()
    for host, port in (("127.0.0.1", server.port + 1), ("localhost", server.port), ("127.1", server.port)):
        with pytest.raises(ForbiddenAddressError):
            guard.connect(host, port, time.monotonic() + 5)


@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:1080", "https://proxy.example", "proxy.example:3128", "http://:80"]
)
def test_only_http_proxies_can_be_gone_through(proxy: str) -> None:
    with pytest.raises(SettingsError, match="SONICGEN_PROXY"):
        Guard(proxy=proxy)


def test_a_proxy_is_given_its_password_and_the_checked_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        told: list[bytes] = []

        def answer(reply: bytes) -> None:
            connection, _ = listener.accept()
            told.append(connection.recv(1000))
            connection.sendall(reply)
            connection.close()

        guard = Guard(frozenset({"localhost:9"}), f"http://me:p%40ss@127.0.0.1:{listener.getsockname()[1]}")
        for reply in (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 407 Who?\r\n\r\n"):
            thread = threading.Thread(target=answer, args=(reply,))
            thread.start()
            if b"200" in reply:
                guard.connect("localhost", 9, time.monotonic() + 5).close()
            else:
                with pytest.raises((UnavailableError, OSError)):
                    Guard(frozenset({"127.0.0.1:9"}), guard.proxy).connect("127.0.0.1", 9, time.monotonic() + 5)
            thread.join()
    assert b"CONNECT localhost" not in told[0]
    assert b"CONNECT 127.0.0.1:9 " in told[0] or b"CONNECT [::1]:9 " in told[0]
    assert b"Basic " + base64.b64encode(b"me:p@ss") in told[0]


def test_unknown_names_and_closed_ports_may_be_tried_again() -> None:
    with pytest.raises(UnavailableError, match="not known"):
        Guard().addresses("no-such-host.invalid", 80)
    with pytest.raises(UnavailableError, match="does not answer"):
        Guard(frozenset({"127.0.0.1:1"})).connect("127.0.0.1", 1, time.monotonic() + 2)


class Resolver:
    """A name server under a stranger's control: each question about the name gets the next answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: Any, port: Any, *arguments: Any, **named: Any) -> Any:
        if host != "rebind.example":
            return self._real(host, port, *arguments, **named)
        self.asked += 1
        addresses = self.answers.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]


def test_the_checked_address_is_the_one_that_is_connected_to(
    server: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = Guard(frozenset({f"rebind.example:{server.port}"}))
    resolver = Resolver(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    with guard.connect("rebind.example", server.port, time.monotonic() + 5) as connection:
        assert connection.getpeername() == ("127.0.0.1", server.port)
    assert resolver.asked == 1


def test_a_name_that_turns_private_is_refused(server: MediaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(monkeypatch, ["8.8.8.8"], ["127.0.0.1"], ["8.8.8.8", "10.0.0.1"])
    guard = Guard()
    assert guard.addresses("rebind.example", server.port) == ["8.8.8.8"]
    for _ in range(2):
        with pytest.raises(ForbiddenAddressError):
            guard.connect("rebind.example", server.port, time.monotonic() + 5)
    assert resolver.asked == 3
    assert server.asked == []
