"""Firestore on a port: what `FIRESTORE_EMULATOR_HOST` points at."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from sonicgen.errors import LocalError
from sonicgen.local.firestore.engine import Engine, explain
from sonicgen.local.firestore.messages import Message, rpc
from sonicgen.local.firestore.service import Absent, Service

logger = logging.getLogger(__name__)

_SERVICE = "google.firestore.v1.Firestore"
# Firestore takes requests of 10 MiB; a little more, so that its limit and not gRPC's own of 4 MiB is met.
_REQUEST_BYTES = 11 * 1024 * 1024
_GRACE_SECONDS = 1.0

_UNARY = (
    "GetDocument",
    "ListDocuments",
    "UpdateDocument",
    "DeleteDocument",
    "BeginTransaction",
    "Commit",
    "Rollback",
    "ListCollectionIds",
    "BatchWrite",
    "CreateDocument",
    "PartitionQuery",
)
_STREAMED = ("BatchGetDocuments", "RunQuery", "RunAggregationQuery")


class FirestoreServer:
    """Serves the documents of one sqlite file to the real Firestore clients, sync and async.

    Start and stop it on one event loop; other servers may share the loop, since all that blocks runs in a thread.
    """

    def __init__(self, database: Path, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._database = database
        self._host = host
        self._port = port
        self._engine: Engine | None = None
        self._server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """Open the file, listen, and return the port. Raises LocalError when either is not possible."""
        try:
            self._engine = await Engine.open(self._database)
        except (sqlite3.Error, OSError) as error:
            raise LocalError(f"Firestore cannot open its file {self._database}: {error}.") from error
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", _REQUEST_BYTES)]
        self._server = grpc.aio.server(options=options)
        self._server.add_generic_rpc_handlers((_handlers(Service(self._engine), Absent()),))
        try:
            port = self._server.add_insecure_port(f"{self._host}:{self._port}")
        except RuntimeError as error:
            await self.stop()
            raise LocalError(
                f"Firestore cannot listen on {self._host}:{self._port}; is another `sonicgen up` running?"
            ) from error
        await self._server.start()
        self._port = int(port)
        return self._port

    async def stop(self) -> None:
        """Finish the calls that run, for a second at most, and close the file."""
        server, self._server = self._server, None
        engine, self._engine = self._engine, None
        if server is not None:
            await server.stop(_GRACE_SECONDS)
        if engine is not None:
            await engine.close()


def _handlers(service: Service, absent: Absent) -> grpc.GenericRpcHandler:
    methods: dict[str, Any] = {}
    for name in _UNARY:
        call = getattr(service, _snake(name), None) or getattr(absent, _snake(name))
        methods[name] = grpc.unary_unary_rpc_method_handler(
            _answer(call), request_deserializer=_reads(name), response_serializer=_serialize
        )
    for name in _STREAMED:
        methods[name] = grpc.unary_stream_rpc_method_handler(
            _stream(getattr(service, _snake(name))), request_deserializer=_reads(name), response_serializer=_serialize
        )
    methods["ExecutePipeline"] = grpc.unary_stream_rpc_method_handler(_answer(absent.execute_pipeline))
    for name in ("Write", "Listen"):
        methods[name] = grpc.stream_stream_rpc_method_handler(_answer(getattr(absent, _snake(name))))
    return grpc.method_handlers_generic_handler(_SERVICE, methods)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _reads(name: str) -> Callable[[bytes], Message]:
    reader: Callable[[bytes], Message] = rpc(f"{name}Request").FromString
    return reader


def _serialize(response: Message | None) -> bytes:
    # google.protobuf.Empty, the answer of calls that return nothing, has no bytes.
    content: bytes = b"" if response is None else response.SerializeToString()
    return content


def _answer(call: Callable[[Message], Any]) -> Callable[[Message, Any], Any]:
    async def answer(request: Message, context: Any) -> Message:
        try:
            return await call(request)
        except Exception as error:  # the boundary: every error becomes a status
            await _refuse(error, context)

    return answer


def _stream(call: Callable[[Message], AsyncIterator[Message]]) -> Callable[[Message, Any], AsyncIterator[Message]]:
    async def stream(request: Message, context: Any) -> AsyncIterator[Message]:
        try:
            async for response in call(request):
                yield response
        except Exception as error:  # the boundary: every error becomes a status
            await _refuse(error, context)

    return stream


async def _refuse(error: Exception, context: Any) -> None:
    fault = explain(error)
    if fault is not None:
        await context.abort(fault.code, fault.message)
    logger.exception("A call of the local Firestore failed.", exc_info=error)
    await context.abort(grpc.StatusCode.INTERNAL, "The local Firestore failed; its log has the reason.")
