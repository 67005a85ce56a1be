"""A forward proxy on the loopback that lets everything through the guard, for clients that make their own requests.

yt-dlp follows links, redirects, playlists and fragments by itself. With this proxy as its only way out, each of its
connections is looked up, checked and pinned here, its bytes are counted, and the whole of it can be cut off.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from sonicgen.errors import ForbiddenAddressError, SonicGenError, UnavailableError
from sonicgen.services.guard import Guard, Target, read_target

HOST = "127.0.0.1"
CONNECT_SECONDS = 20.0
# A connection on which nothing moves for this long is closed; longer than any wait that yt-dlp makes between two reads.
IDLE_SECONDS = 120.0
_HEAD_BYTES = 128 * 1024
_BLOCK_BYTES = 64 * 1024
_HOP_HEADERS = (b"proxy-", b"connection:", b"keep-alive:")


@dataclass
class Traffic:
    """What passed so far; `error` is why the guard last refused, `is_too_much` whether the limit of bytes was met."""

    received_bytes: int = 0
    open_connections: int = 0
    opened_connections: int = 0
    error: SonicGenError | None = None
    is_too_much: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, received: int = 0, opened: int = 0) -> None:
        """Add to the counts."""
        with self._lock:
            self.received_bytes += received
            self.open_connections += opened
            self.opened_connections += max(0, opened)


class GuardingProxy:
    """The running proxy."""

    def __init__(self, guard: Guard, maximum_bytes: int) -> None:
        self.traffic = Traffic()
        self._guard = guard
        self._maximum_bytes = maximum_bytes
        self._listener = socket.create_server((HOST, 0), backlog=64)
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._accept, name="guarding-proxy", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Its address, for `proxy=`."""
        return f"http://{HOST}:{self.port}"

    def close(self) -> None:
        """Cut every connection and end."""
        with self._lock:
            self._is_closed = True
            cut = list(self._sockets)
        for each in (self._listener, *cut):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # wakes whoever waits for it
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), name="guarded", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._held(client):
            try:
                client.settimeout(CONNECT_SECONDS)
                method, address, head, early = _read_request(client)
                target = _target_of(method, address)
                origin = self._guard.connect(target.host, target.port, time.monotonic() + CONNECT_SECONDS)
            except SonicGenError as error:
                self.traffic.error = error
                _refuse(client, error)
                return
            except (OSError, ValueError):
                return
            with self._held(origin), suppress(OSError):
                if method == "CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    origin.sendall(early)
                    self._relay(client, origin, None)
                else:
                    origin.sendall(_head_for_origin(method, target, head) + early)
                    self._relay(client, origin, _AnswerHead())

    @contextmanager
    def _held(self, connection: socket.socket) -> Iterator[None]:
        with self._lock:
            self._sockets.add(connection)
            is_closed = self._is_closed
        self.traffic.count(opened=1)
        try:
            if not is_closed:
                yield
        finally:
            self.traffic.count(opened=-1)
            with self._lock:
                self._sockets.discard(connection)
            connection.close()

    def _relay(self, client: socket.socket, origin: socket.socket, answer: _AnswerHead | None) -> None:
        """Pass bytes both ways until one side ends, nothing moves, or too much has come; `answer` mends its head."""
        for each in (client, origin):
            each.settimeout(IDLE_SECONDS)
        while True:
            ready, _, _ = select.select((client, origin), (), (), IDLE_SECONDS)
            if not ready:
                return
            for source in ready:
                block = source.recv(_BLOCK_BYTES)
                if not block:
                    return
                if source is origin:
                    self.traffic.count(received=len(block))
                    if self.traffic.received_bytes > self._maximum_bytes:
                        self.traffic.is_too_much = True
                        return
                    client.sendall(answer.mend(block) if answer else block)
                else:
                    origin.sendall(block)


class _AnswerHead:
    """Says in an answer's head that the connection ends with it; servers that end it do not always say so."""

    def __init__(self) -> None:
        self._held: bytes | None = b""

    def mend(self, block: bytes) -> bytes:
        """Return what may be passed on of what came so far."""
        if self._held is None:
            return block
        self._held += block
        head, end, rest = self._held.partition(b"\r\n\r\n")
        if not end and len(head) < _HEAD_BYTES:
            return b""
        self._held = None
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(_HOP_HEADERS)]
        return b"\r\n".join((*lines, b"Connection: close")) + end + rest


@contextmanager
def guarding_proxy(guard: Guard, maximum_bytes: int) -> Iterator[GuardingProxy]:
    """Run a proxy inside the block; it lets `maximum_bytes` come in, then nothing more."""
    proxy = GuardingProxy(guard, maximum_bytes)
    try:
        yield proxy
    finally:
        proxy.close()


def _read_request(client: socket.socket) -> tuple[str, str, bytes, bytes]:
    """Return a request's method, address, head and what already came of its body."""
    received = b""
    while b"\r\n\r\n" not in received:
        block = client.recv(_BLOCK_BYTES)
        if not block or len(received) > _HEAD_BYTES:
            raise ValueError("no whole request came")
        received += block
    head, _, early = received.partition(b"\r\n\r\n")
    method, address, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    return method, address, head, early


def _target_of(method: str, address: str) -> Target:
    # What a client asks to be connected with is checked like any link.
    return read_target(f"https://{address}/" if method == "CONNECT" else address)


def _head_for_origin(method: str, target: Target, head: bytes) -> bytes:
    """Return the request's head as the origin wants it: its own path, nothing that concerns a proxy, one request."""
    lines = [f"{method} {target.path} HTTP/1.1".encode("latin-1"), f"Host: {target.authority}".encode("latin-1")]
    for line in head.split(b"\r\n")[1:]:
        if not line.lower().startswith((*_HOP_HEADERS, b"host:")):
            lines.append(line)
    return b"\r\n".join((*lines, b"Connection: close", b"", b""))


def _refuse(client: socket.socket, error: SonicGenError) -> None:
    status = "403 Forbidden" if isinstance(error, ForbiddenAddressError) else "502 Bad Gateway"
    status = status if isinstance(error, (ForbiddenAddressError, UnavailableError)) else "400 Bad Request"
    body = f"{error}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    with suppress(OSError):
        client.sendall(head.encode() + body)
