"""A gRPC proxy in front of one server, for calls of every kind, which can be told to misbehave."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from tests.acceptance.faults.orders import Deed, Orders

_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_HOP = ("grpc-", "user-agent", "te", "content-type", ":")


class GrpcProxy(grpc.GenericRpcHandler):  # type: ignore[misc]  # it ships no types
    """Serves on a port of its own what the server at `host:port` serves; places are "name Method"."""

    def __init__(self, name: str, address: str, orders: Orders) -> None:
        self._name = name
        self._orders = orders
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        self._threads = ThreadPoolExecutor(32, thread_name_prefix=f"proxy-{name}")
        self._server = grpc.server(self._threads, options=_OPTIONS)
        self._server.add_generic_rpc_handlers((self,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.stop(0).wait(5)
        self._channel.close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def service(self, details: Any) -> Any:
        """Return what answers a method: bytes pass as they are, and a call of one message is a stream of one."""
        return grpc.stream_stream_rpc_method_handler(self._serve(details.method))

    def _serve(self, method: str) -> Callable[[Iterator[bytes], Any], Iterator[bytes]]:
        place = f"{self._name} {method.rpartition('/')[2]}"

        def serve(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
            order = self._orders.take(place)
            if order is not None and order.deed is Deed.STALL:
                time.sleep(order.seconds)
            if order is not None and order.deed in (Deed.REFUSE, Deed.CUT):
                context.abort(_code(order.code), "the proxy was told to refuse this")
            messages = list(requests)
            for _ in range(2 if order is not None and order.deed is Deed.TWICE else 1):
                answers = list(self._forward(method, iter(messages), context))
            self._orders.passed(place)
            if order is not None and order.deed is Deed.LOSE:
                context.abort(_code(order.code), "the proxy was told to lose the answer")
            yield from answers

        return serve

    def _forward(self, method: str, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        metadata = [(key, value) for key, value in context.invocation_metadata() if not key.startswith(_HOP)]
        call = self._channel.stream_stream(method)(requests, timeout=context.time_remaining(), metadata=metadata)
        try:
            yield from call
        except grpc.RpcError as error:
            context.set_trailing_metadata(error.trailing_metadata() or ())
            context.abort(error.code(), error.details())


def _code(code: int | str) -> Any:
    return grpc.StatusCode[code] if isinstance(code, str) else grpc.StatusCode.UNAVAILABLE
