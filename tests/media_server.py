"""A web server on this machine that has media files, and every kind of trouble that the real internet has.

| Path | Answers |
|---|---|
| what `add` was given | the bytes, with ranges; `bytes_per_second` slows it down |
| /status/CODE | that status, with a page |
| /redirect?to=URL | 302 to there |
| /loop | 302 to itself |
| /stall | headers of a media file, some bytes, then nothing |
| /drip | a byte a second |
| /silent | accepts and never answers |
| /huge | 100 GB by its Content-Length |
| /huge-chunked | as much, without saying so |
| /cut | ends before its Content-Length |
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

HUGE_BYTES = 100 * 10**9
_BLOCK = bytes(64 * 1024)
MP3_HEAD = b"ID3\x04\x00\x00\x00\x00\x00\x00"


@dataclass
class Resource:
    """What lies at a path."""

    body: bytes
    content_type: str
    bytes_per_second: float | None = None
    headers: dict[str, str] = field(default_factory=dict)


class MediaServer(ThreadingHTTPServer):
    """The running server; `asked` lists the requests it got, `sent_bytes` counts what it sent of bodies."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.resources: dict[str, Resource] = {}
        self.asked: list[str] = []
        self.asked_headers: list[tuple[str, dict[str, str]]] = []
        self.received: list[tuple[str, dict[str, str], bytes]] = []
        self.sent_bytes = 0
        self.ended = threading.Event()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    @property
    def place(self) -> str:
        """Its host:port, as SONICGEN_ALLOWED_HOSTS wants it."""
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return f"http://{self.place}{path}"

    def add(self, path: str, body: bytes, content_type: str, bytes_per_second: float | None = None, **headers: str) -> str:  # fmt: skip  # noqa: E501
        """Put something at a path and return its address."""
        self.resources[path] = Resource(body, content_type, bytes_per_second, headers)
        return self.url(path)

    def headers_of(self, path: str) -> dict[str, str]:
        """Return the headers of the last request for a path."""
        return next(headers for asked, headers in reversed(self.asked_headers) if asked == path)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: MediaServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self.do_GET()

    def do_POST(self) -> None:
        """Keep what was sent."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.received.append((self.path, dict(self.headers), body))
        self.do_GET()

    def do_GET(self) -> None:
        """Answer by the table above."""
        self.server.asked.append(f"{self.command} {self.path}")
        self.server.asked_headers.append((self.path, dict(self.headers)))
        parts = urlsplit(self.path)
        name, _, rest = parts.path.removeprefix("/").partition("/")
        if parts.path in self.server.resources:
            self._send(self.server.resources[parts.path])
        elif name == "status":
            self._page(int(rest.split(".")[0]))
        elif name == "redirect":
            self._page(302, Location=parse_qs(parts.query)["to"][0])
        elif name == "loop":
            self._page(302, Location=self.path)
        elif trouble := getattr(self, f"_{name.split('.')[0].replace('-', '_')}", None):
            self.close_connection = True
            trouble()
        else:
            self._page(404)

    def _page(self, status: int, **headers: str) -> None:
        body = b"" if status in (204, 304) else b"<html><title>page</title></html>"
        self.send_response(status)
        for key, value in ({"Content-Type": "text/html", "Content-Length": str(len(body))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        self._write(body)

    def _send(self, resource: Resource) -> None:
        body, status, extra = resource.body, 200, {}
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes="):
            low, _, high = asked.removeprefix("bytes=").partition("-")
            start, end = int(low or 0), min(int(high or len(body) - 1), len(body) - 1)
            status, extra = 206, {"Content-Range": f"bytes {start}-{end}/{len(body)}"}
            body = body[start : end + 1]
        self.send_response(status)
        sent = {"Content-Type": resource.content_type, "Content-Length": str(len(body)), "Accept-Ranges": "bytes"}
        for key, value in (sent | extra | resource.headers).items():
            self.send_header(key, value)
        self.end_headers()
        rate = resource.bytes_per_second
        step = max(1, int(rate / 10)) if rate else len(body) or 1
        for start in range(0, len(body), step):
            self._write(body[start : start + step])
            if rate and self.server.ended.wait(0.1):
                return

    def _write(self, body: bytes) -> None:
        if self.command != "HEAD":
            self.wfile.write(body)
            self.server.sent_bytes += len(body)

    def _media_head(self, length: int | None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "audio/mpeg")
        self.send_header(*(("Transfer-Encoding", "chunked") if length is None else ("Content-Length", str(length))))
        self.end_headers()

    def _stall(self) -> None:
        self._media_head(1_000_000)
        self._write(MP3_HEAD + bytes(2000))
        self.server.ended.wait(300)

    def _drip(self) -> None:
        self._media_head(1_000_000)
        self._write(MP3_HEAD + bytes(600))
        while not self.server.ended.wait(1):
            self._write(b"\0")

    def _silent(self) -> None:
        self.server.ended.wait(300)

    def _huge(self) -> None:
        self._media_head(HUGE_BYTES)
        self._write(MP3_HEAD)
        while self.command != "HEAD" and not self.server.ended.is_set():
            self._write(_BLOCK)

    def _huge_chunked(self) -> None:
        self._media_head(None)
        block = MP3_HEAD + _BLOCK
        while self.command != "HEAD" and not self.server.ended.is_set():
            self._write(f"{len(block):x}\r\n".encode() + block + b"\r\n")

    def _cut(self) -> None:
        self._media_head(1_000_000)
        self._write(MP3_HEAD + bytes(5000))

    def _bomb(self) -> None:
        packed = gzip.compress(bytes(50_000_000))
        self.send_response(200)
        self.send_header("Content-Type", "application/rss+xml")
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(packed)))
        self.end_headers()
        self._write(packed)


@contextmanager
def media_server() -> Iterator[MediaServer]:
    """Run the server inside the block."""
    server = MediaServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
