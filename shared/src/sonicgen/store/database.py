"""Connections to Postgres, made when needed and kept for the next transaction.

Everything here suits a transaction pooler (pgbouncer, Supabase's port 6543): no prepared statements, no session state,
no startup options; only `SET LOCAL` and transaction-level advisory locks may be used on these connections.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.abc import AdaptContext, Params
from psycopg.adapt import Dumper
from psycopg.pq import Format, TransactionStatus
from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL, Composed

from sonicgen.errors import ConflictError, InputError, SettingsError, UnavailableError

Connection = psycopg.Connection[DictRow]
Cursor = psycopg.Cursor[DictRow]

# One function instance handles one event at a time; the console and tests use a few more.
DEFAULT_CONNECTIONS = 8
_CONNECT_SECONDS = 5
_WAIT_SECONDS = 30.0  # for a free connection: longer than any of our transactions
_MOVE_REFUSED = "SG001"  # raised by the trigger videos_check_move
# What strangers may send and no column takes: numbers too large, characters of no alphabet. NUL is refused by psycopg
# itself, without a code.
_UNHOLDABLE = frozenset({"22003", "22021", "22P05"})
_INT4_OID, _INT4_ARRAY_OID = 23, 1007
_FLOAT4_OID, _FLOAT4_ARRAY_OID = 700, 1021


class Database:
    """One Postgres, for any number of threads; connections are opened at the first need and closed by `close`."""

    def __init__(self, url: str, connections: int = DEFAULT_CONNECTIONS) -> None:
        self._url = url
        self._free = threading.BoundedSemaphore(connections)
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run the block in one transaction on a connection of its own: all of it is kept, or nothing.

        Raises UnavailableError when Postgres does not answer, ConflictError when somebody else wrote first, InputError
        for a value that no column can hold.
        """
        with self._connection() as connection, connection.transaction():
            yield connection

    def execute(
        self, statement: bytes | SQL | Composed, values: Params | None = None, *, binary: bool = False
    ) -> Cursor:
        """Run one statement as a transaction of its own, in one round trip instead of three; its rows are all here.

        Raises what `transaction` raises.
        """
        with self._connection() as connection:
            return connection.execute(statement, values, binary=binary)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        if not self._free.acquire(timeout=_WAIT_SECONDS):
            raise UnavailableError("All connections to the database are busy; try again.")
        try:
            with _explained_errors():
                connection = self._take()
                try:
                    yield connection
                finally:
                    self._give_back(connection)
        finally:
            self._free.release()

    def close(self) -> None:
        """Close every idle connection; those in use are closed when their transaction ends."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self) -> Connection:
        while True:
            with self._lock:
                if self._closed:
                    raise UnavailableError("The database was closed in this process.")
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self._connect()
            if _is_alive(connection):
                return connection
            connection.close()

    def _give_back(self, connection: Connection) -> None:
        with self._lock:
            if not self._closed and connection.info.transaction_status is TransactionStatus.IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> Connection:
        try:
            connection = psycopg.connect(
                self._url,
                autocommit=True,  # transactions are opened explicitly
                prepare_threshold=None,
                row_factory=dict_row,
                connect_timeout=_CONNECT_SECONDS,
                application_name="sonicgen",
            )
        except psycopg.ProgrammingError as error:
            raise SettingsError(f"DATABASE_URL is not a Postgres address: {_first_line(error)}.") from error
        connection.adapters.register_dumper(Int4Array, _Int4ArrayDumper)
        connection.adapters.register_dumper(Float4Array, _Float4ArrayDumper)
        return connection


class Int4Array:
    """A numpy array to be sent as integer[] without a Python object for each number (21,000 keys: 0.1 ms, not 9)."""

    def __init__(self, values: NDArray[np.integer[Any]]) -> None:
        self.values = values


class _Int4ArrayDumper(Dumper):
    """Writes Postgres' binary array format: dimensions, null flag, type, length, lower bound, then (size, value)."""

    format = Format.BINARY
    oid = _INT4_ARRAY_OID

    def __init__(self, cls: type, context: AdaptContext | None = None) -> None:
        super().__init__(cls, context)

    def dump(self, obj: Int4Array) -> bytes:
        return _binary_array(np.asarray(obj.values, ">i4"), _INT4_OID)


class Float4Array:
    """A numpy array to be sent as real[], its float32 numbers exactly as they are; read row by row when it has rows."""

    def __init__(self, values: NDArray[np.floating[Any]]) -> None:
        self.values = values


class _Float4ArrayDumper(Dumper):
    format = Format.BINARY
    oid = _FLOAT4_ARRAY_OID

    def __init__(self, cls: type, context: AdaptContext | None = None) -> None:
        super().__init__(cls, context)

    def dump(self, obj: Float4Array) -> bytes:
        return _binary_array(np.asarray(obj.values, ">f4").ravel().view(">i4"), _FLOAT4_OID)


def _binary_array(numbers: NDArray[np.int32], oid: int) -> bytes:
    """Return an array of numbers of four bytes each; floats come as the integers that have the same bits."""
    count = len(numbers)
    if count == 0:
        return np.array([0, 0, oid], ">i4").tobytes()
    items = np.empty((count, 2), ">i4")
    items[:, 0] = 4
    items[:, 1] = numbers
    return np.array([1, 0, oid, count, 1], ">i4").tobytes() + items.tobytes()


@contextmanager
def _explained_errors() -> Iterator[None]:
    """Turn what psycopg raises into our errors; a mistake in our own SQL stays what it is."""
    try:
        yield
    except (
        psycopg.errors.SerializationFailure,
        psycopg.errors.DeadlockDetected,
        psycopg.errors.LockNotAvailable,
    ) as error:
        raise ConflictError(f"Somebody else changed the same thing first: {_first_line(error)}.") from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise UnavailableError(f"The database does not answer: {_first_line(error)}.") from error
    except UnicodeEncodeError as error:
        raise InputError(f"A text holds half a character, which the database cannot keep: {error.reason}.") from error
    except psycopg.Error as error:
        if error.sqlstate == _MOVE_REFUSED:
            raise ConflictError(_first_line(error)) from error
        if error.sqlstate in _UNHOLDABLE or (isinstance(error, psycopg.DataError) and error.sqlstate is None):
            raise InputError(f"The database cannot hold a value: {_first_line(error)}.") from error
        raise


def _first_line(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _is_alive(connection: Connection) -> bool:
    """Whether an idle connection can be used: a server that went away has left its farewell to be read."""
    if connection.closed:
        return False
    try:
        readable, _, _ = select.select([connection.fileno()], [], [], 0)
    except (OSError, ValueError):
        return False
    return not readable
