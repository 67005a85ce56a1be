"""A proxy in front of Postgres, which can be told to cut a connection before or after what a statement does."""

from __future__ import annotations

import re
import select
import socket
import struct
import threading
import time
from contextlib import suppress

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.acceptance.faults.orders import Deed, Order, Orders

_PIECE_BYTES = 1 << 16
_QUERY, _PARSE = b"Q", b"P"


class PostgresProxy:
    """Serves on a TCP port what the server at an address serves; a place is "postgres " and the statement's text."""

    def __init__(self, url: str, orders: Orders) -> None:
        self._parts = conninfo_to_dict(url)
        self._orders = orders
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._closed = False
        self.sent_bytes = self.received_bytes = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address of the same database through this proxy."""
        port = self._listener.getsockname()[1]
        return make_conninfo(**{**self._parts, "host": "127.0.0.1", "port": port, "sslmode": "disable"})

    def close(self) -> None:
        """Stop serving, and end what is open."""
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        self._open |= {client, server}
        try:
            server.connect(f"{self._parts['host']}/.s.PGSQL.{self._parts.get('port', 5432)}")
            self._pass_on(client, server)
        except OSError:
            pass  # either side went away: so does the other
        finally:
            self._open -= {client, server}
            server.close()
            client.close()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        order: Order | None = None
        place: str | None = None
        while True:
            readable, _, _ = select.select([client, server], [], [])
            if client in readable:
                data = client.recv(_PIECE_BYTES)
                if not data:
                    return
                self.sent_bytes += len(data)
                statement = _statement(data)
                if statement is not None:
                    place = f"postgres {statement}"
                    order = self._orders.take(place)
                    if order is not None and order.deed is Deed.STALL:
                        time.sleep(order.seconds)
                    if order is not None and order.deed is Deed.CUT:
                        server.sendall(data[: order.after_bytes])
                        return
                server.sendall(data)
            if server in readable:
                data = server.recv(_PIECE_BYTES)
                if not data:
                    return
                self.received_bytes += len(data)
                if place is not None:
                    self._orders.passed(place)
                    place = None
                if order is not None and order.deed is Deed.LOSE:
                    return
                order = None
                client.sendall(data)


def _statement(data: bytes) -> str | None:
    """Return the text of the first statement in what a client sends, None when there is none."""
    kind = data[:1]
    if kind not in (_QUERY, _PARSE) or len(data) < 6:
        return None
    (size,) = struct.unpack("!I", data[1:5])
    body = data[5 : 1 + size]
    text = body if kind == _QUERY else body[body.index(b"\0") + 1 :]
    return re.sub(r"\s+", " ", text.split(b"\0")[0].decode("utf-8", "replace")).strip()


def end_all_connections(url: str, name: str | None = None) -> int:
    """End every other connection to a database, as a restart of the server does; return how many there were."""
    with psycopg.connect(url, autocommit=True) as connection:
        ended = connection.execute(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity "
            "where datname = coalesce(%s, current_database()) and pid <> pg_backend_pid()",
            [name],
        ).fetchone()
    assert ended is not None
    return int(ended[0])
