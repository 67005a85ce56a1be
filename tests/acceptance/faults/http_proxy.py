"""An HTTP proxy in front of one server, which can be told to misbehave."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from tests.acceptance.faults.orders import Deed, Order, Orders

_OURS = frozenset({"connection", "content-length", "host", "transfer-encoding"})
_PIECE_BYTES = 1 << 16


class HttpProxy:
    """Serves on a port of its own what the server at `host:port` serves; places begin with `name`."""

    def __init__(self, name: str, address: str, orders: Orders) -> None:
        handler = type("Handler", (_Handler,), {"place": name, "address": address, "orders": orders})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    place: str
    address: str
    orders: Orders
    protocol_version = "HTTP/1.1"
    timeout = 30

    def _serve(self) -> None:
        place = f"{self.place} {self.command} {unquote(self.path)}"
        order = self.orders.take(place)
        size = self.headers.get("content-length")
        chunked = "chunked" in self.headers.get("transfer-encoding", "")
        body = b"".join(self._chunks()) if chunked else self.rfile.read(int(size or 0))
        if order is not None and order.deed is Deed.STALL:
            time.sleep(order.seconds)
        if order is not None and order.deed is Deed.REFUSE:
            return self._answer(int(order.code), list(order.headers.items()), b"the proxy was told to refuse this")
        if order is not None and order.deed is Deed.CUT and not order.after_bytes:
            return self._cut()
        if order is not None and order.deed is Deed.SPOIL and body:
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 0x55]) + body[middle + 1 :]
        for _ in range(2 if order is not None and order.deed is Deed.TWICE else 1):
            status, headers, data = self._forward(body)
        self.orders.passed(place)
        if order is not None and order.deed is Deed.LOSE:
            return self._answer(int(order.code), [], b"") if order.code else self._cut()
        return self._answer(status, headers, data, order)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 (the server looks for these)

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        upstream = HTTPConnection(self.address, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OURS}
            # The server makes its own links (uploads, media) of the name that it is called by.
            headers |= {"host": self.headers.get("host", self.address), "content-length": str(len(body))}
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body)
            answer: HTTPResponse = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            upstream.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes, order: Order | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _OURS:
                self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if order is not None and order.deed is Deed.CUT:
            self.wfile.write(data[: order.after_bytes])
            return self._cut()
        if self.command != "HEAD":
            self.wfile.write(data)
        return None

    def _cut(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0].strip() or b"0", 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return

    def handle_one_request(self) -> None:
        with suppress(ConnectionError, TimeoutError):  # a client that was killed
            super().handle_one_request()
            return
        self.close_connection = True
