"""Fetch a small document (a feed, a page) from anywhere, behind the guard and within limits of size and time."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin

from sonicgen.errors import InputError, TooLargeError, UnavailableError
from sonicgen.services.guard import Guard, Target, left, read_target

MAXIMUM_REDIRECTS = 8
USER_AGENT = "sonicgen (+https://github.com/sonicgen)"
_REDIRECTS = (301, 302, 303, 307, 308)
_KEEP_METHOD = (307, 308)
_BLOCK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer: the address that gave it (after redirects), status, headers with names in lower case, and body."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def fetch(
    url: str,
    *,
    maximum_bytes: int,
    timeout_seconds: float,
    headers: Mapping[str, str] | None = None,
    data: bytes | None = None,
    guard: Guard | None = None,
) -> Fetched:
    """Return what lies at an address, whatever the status; with `data` it is posted there.

    `maximum_bytes` is of the body, unpacked; `timeout_seconds` is for all of it, redirects included, so that a server
    which sends a byte now and then does not hold the caller. Raises InputError for what is no link or redirects for
    ever, ForbiddenAddressError, TooLargeError, and UnavailableError for a server that does not answer or not in time.
    """
    guard = guard or Guard()
    deadline = time.monotonic() + timeout_seconds
    sent = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "gzip", **(headers or {})}
    for _ in range(MAXIMUM_REDIRECTS + 1):
        target = read_target(url)
        try:
            fetched = _ask(guard, target, url, sent, data, maximum_bytes, deadline)
        except TimeoutError as error:
            raise UnavailableError(f"{target.host} did not answer within {timeout_seconds:g} s; try later.") from error
        except (OSError, http.client.HTTPException, zlib.error) as error:
            raise UnavailableError(f"{target.host} broke off its answer; try again later.") from error
        location = fetched.headers.get("location")
        if fetched.status not in _REDIRECTS or not location:
            return fetched
        if fetched.status not in _KEEP_METHOD:
            data = None
        url = urljoin(url, location)
    raise InputError(f"{url} redirects more than {MAXIMUM_REDIRECTS} times; check the link.")


def _ask(
    guard: Guard,
    target: Target,
    url: str,
    headers: Mapping[str, str],
    data: bytes | None,
    maximum_bytes: int,
    deadline: float,
) -> Fetched:
    connection = _Connection(guard, target, deadline)
    try:
        sent = {"Host": target.authority, **headers, "Connection": "close"}
        connection.request("GET" if data is None else "POST", target.path, body=data, headers=sent)
        with connection.getresponse() as answer:
            got = {name.lower(): value for name, value in answer.getheaders()}
            body = b"" if answer.status in _REDIRECTS else _read_body(answer, got, target.host, maximum_bytes)
        return Fetched(url, answer.status, got, body)
    finally:
        connection.close()


def _read_body(answer: http.client.HTTPResponse, headers: Mapping[str, str], host: str, maximum_bytes: int) -> bytes:
    unpack = zlib.decompressobj(47) if headers.get("content-encoding", "").lower() in ("gzip", "deflate") else None
    too_large = TooLargeError(f"What {host} sends is larger than {maximum_bytes:,} bytes, which is the limit here.")
    if answer.length is not None and answer.length > maximum_bytes:
        raise too_large
    body = bytearray()
    while block := answer.read1(_BLOCK_BYTES):
        # A small packed body can unpack to any size; one byte over the limit is enough to know.
        body += unpack.decompress(block, maximum_bytes + 1 - len(body)) if unpack else block
        if len(body) > maximum_bytes:
            raise too_large
    if answer.length:
        raise http.client.IncompleteRead(bytes(body), answer.length)
    return bytes(body)


class _Connection(http.client.HTTPConnection):
    """A connection to a checked address, on which every wait ends at the deadline."""

    def __init__(self, guard: Guard, target: Target, deadline: float) -> None:
        super().__init__(target.host, target.port)
        self._guard = guard
        self._target = target
        self._deadline = deadline

    def connect(self) -> None:
        plain = self._guard.connect(self._target.host, self._target.port, self._deadline)
        if self._target.scheme == "https":
            plain.settimeout(left(self._deadline))
            plain = _tls().wrap_socket(plain, server_hostname=self._target.host)
        self.sock: Any = _TimedSocket(plain, self._deadline)


class _TimedSocket:
    """As much of a socket as http.client uses; each call may take what is left of the time."""

    def __init__(self, plain: socket.socket, deadline: float) -> None:
        self._plain = plain
        self._deadline = deadline
        self._is_read = False

    def sendall(self, data: bytes) -> None:
        self._plain.settimeout(left(self._deadline))
        self._plain.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        self._is_read = True
        return io.BufferedReader(_TimedReader(self._plain, self._deadline))

    def close(self) -> None:
        # http.client closes its socket before it reads a body that ends with the connection; the reader closes then.
        if not self._is_read:
            self._plain.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, plain: socket.socket, deadline: float) -> None:
        self._plain = plain
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._plain.settimeout(left(self._deadline))
        return self._plain.recv_into(buffer)

    def close(self) -> None:
        self._plain.close()
        super().close()


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
