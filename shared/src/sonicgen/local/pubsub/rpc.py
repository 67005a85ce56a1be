"""From plain async methods to gRPC handlers: message types, and errors as status codes with their sentence."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc

from sonicgen.errors import InputError, NotFoundError, SonicGenError, UnavailableError
from sonicgen.local.pubsub.faults import AlreadyExistsError, StorageFullError, WrongKindError

logger = logging.getLogger(__name__)

# The first class that fits decides.
_STATUS: tuple[tuple[type[SonicGenError], grpc.StatusCode], ...] = (
    (NotFoundError, grpc.StatusCode.NOT_FOUND),
    (AlreadyExistsError, grpc.StatusCode.ALREADY_EXISTS),
    (WrongKindError, grpc.StatusCode.FAILED_PRECONDITION),
    (InputError, grpc.StatusCode.INVALID_ARGUMENT),
    (StorageFullError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (UnavailableError, grpc.StatusCode.UNAVAILABLE),
)


def unary(method: Callable[[Any], Awaitable[Any]], request_type: Any) -> grpc.RpcMethodHandler:
    """Return the handler of a call with one request and one answer; a method that returns None answers Empty."""

    async def handle(request: Any, context: Any) -> Any:
        try:
            return await method(request)
        except Exception as error:
            await _abort(context, error)

    return grpc.unary_unary_rpc_method_handler(
        handle, request_deserializer=request_type.pb().FromString, response_serializer=_serialize
    )


def stream(method: Callable[[AsyncIterator[Any]], AsyncIterator[Any]], request_type: Any) -> grpc.RpcMethodHandler:
    """Return the handler of a call with streams in both directions."""

    async def handle(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        try:
            async for answer in method(requests):
                yield answer
        except Exception as error:
            await _abort(context, error)

    return grpc.stream_stream_rpc_method_handler(
        handle, request_deserializer=request_type.pb().FromString, response_serializer=_serialize
    )


async def _abort(context: Any, error: Exception) -> NoReturn:
    if isinstance(error, SonicGenError):
        code = next((code for kind, code in _STATUS if isinstance(error, kind)), grpc.StatusCode.INTERNAL)
        await context.abort(code, str(error))
    logger.error("A Pub/Sub call failed.", exc_info=error)
    await context.abort(grpc.StatusCode.INTERNAL, "The embedded Pub/Sub failed; its log says why.")
    raise AssertionError


def _serialize(message: Any | None) -> bytes:
    # An Empty has no bytes.
    return b"" if message is None else bytes(message.SerializeToString())
