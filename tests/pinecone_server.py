"""A server that speaks Pinecone's HTTP interface, for the official SDK to talk to; its numbers are exact.

Like the real one it is eventually consistent: reads show what was written `lag_seconds` ago. It refuses what the real
one refuses: a wrong key, more than 1,000 records or 2 MB at once, 40 KB of metadata, another dimension.
https://docs.pinecone.io/reference/api
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

KEY = "pcsk_test"
NAME = "voices"
MOST_RECORDS, MOST_BYTES, MOST_METADATA_BYTES = 1_000, 2_000_000, 40_960
PAGE = 100

Vector = dict[str, Any]


@dataclass
class PineconeServer:
    """What a test can see and say."""

    port: int
    dimension: int
    lag_seconds: float = 0.0
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    # What the next calls answer instead: (path's pattern, status), each once.
    failures: list[tuple[str, int]] = field(default_factory=list)
    _log: list[tuple[float, str, str, Vector | None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def write(self, namespace: str, identifier: str, vector: Vector | None) -> None:
        with self._lock:
            self._log.append((time.monotonic(), namespace, identifier, vector))

    def stored(self, *, now: bool = True) -> dict[str, dict[str, Vector]]:
        """Return the records by namespace: all that was written, or (not `now`) what a read shows."""
        shown: dict[str, dict[str, Vector]] = {}
        limit = time.monotonic() - (0.0 if now else self.lag_seconds)
        with self._lock:
            for at, namespace, identifier, vector in self._log:
                if at > limit:
                    continue
                records = shown.setdefault(namespace, {})
                if vector is None:
                    records.pop(identifier, None)
                else:
                    records[identifier] = vector
        return {namespace: records for namespace, records in shown.items() if records}

    def paths(self) -> list[str]:
        """Return the paths that were asked for."""
        return [path for path, _ in self.requests]


class _RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _fits(metadata: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    for name, condition in where.items():
        wanted = condition if isinstance(condition, dict) else {"$eq": condition}
        if set(wanted) != {"$eq"}:
            raise _RefusedError(400, f"This server knows no filter {wanted}")
        if metadata.get(name) != wanted["$eq"]:
            return False
    return True


class _Handler(BaseHTTPRequestHandler):
    server_: PineconeServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        self._serve(json.loads(data), len(data))

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self._serve({name: values if name == "ids" else values[0] for name, values in query.items()}, 0)

    def _serve(self, body: dict[str, Any], size: int) -> None:
        path = urlsplit(self.path).path
        state = self.server_
        state.requests.append((path, body))
        try:
            self._admit(path)
            self._answer(200, self._dispatch(path, body, size))
        except _RefusedError as error:
            code = {401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}.get(error.status, "UNKNOWN")
            self._answer(error.status, {"status": error.status, "error": {"code": code, "message": str(error)}})

    def _admit(self, path: str) -> None:
        failures = self.server_.failures
        for index, (pattern, status) in enumerate(failures):
            if re.fullmatch(pattern, path):
                del failures[index]
                raise _RefusedError(status, "the test says so")
        if self.headers.get("Api-Key") != KEY:
            raise _RefusedError(401, "Invalid API Key")
        if not self.headers.get("X-Pinecone-Api-Version"):
            raise _RefusedError(400, "Missing API version")

    def _dispatch(self, path: str, body: dict[str, Any], size: int) -> dict[str, Any]:
        state = self.server_
        namespace = body.get("namespace", "")
        seen = state.stored(now=False)
        if path == "/vectors/upsert":
            return self._upsert(namespace, body["vectors"], size)
        if path == "/query":
            return self._query(seen.get(namespace, {}), namespace, body)
        if path == "/vectors/fetch":
            found = {key: value for key, value in seen.get(namespace, {}).items() if key in body["ids"]}
            return {"vectors": found, "namespace": namespace, "usage": {"readUnits": 1}}
        if path == "/vectors/delete":
            if namespace not in state.stored():
                raise _RefusedError(404, "Namespace not found")
            for identifier in body.get("ids", state.stored()[namespace] if body.get("deleteAll") else ()):
                state.write(namespace, identifier, None)
            return {}
        if path == "/vectors/list":
            names = sorted(seen.get(namespace, {}))
            start = int(body.get("paginationToken", 0))
            more = {"pagination": {"next": str(start + PAGE)}} if start + PAGE < len(names) else {}
            page = [{"id": name} for name in names[start : start + PAGE]]
            return {"vectors": page, "namespace": namespace, "usage": {"readUnits": 1}, **more}
        if path == "/describe_index_stats":
            counts = {name: {"vectorCount": len(records)} for name, records in seen.items()}
            total = sum(len(records) for records in seen.values())
            return {
                "namespaces": counts, "dimension": state.dimension, "indexFullness": 0, "totalVectorCount": total,
                "metric": "cosine", "vectorType": "dense",
            }  # fmt: skip
        if path == f"/indexes/{NAME}":
            vectors = {"type": "dense_vector", "dimension": state.dimension, "metric": "cosine"}
            return {
                "name": NAME, "host": state.host, "status": {"ready": True, "state": "Ready"},
                "schema": {"fields": {"_values": vectors}}, "deletion_protection": "disabled",
                "deployment": {"deployment_type": "managed", "cloud": "aws", "region": "us-east-1"},
            }  # fmt: skip
        raise _RefusedError(404, f"No such path: {path}")

    def _upsert(self, namespace: str, vectors: list[Vector], size: int) -> dict[str, Any]:
        if len(vectors) > MOST_RECORDS or size > MOST_BYTES:
            raise _RefusedError(400, f"Request of {len(vectors)} records, {size} bytes is too large")
        for vector in vectors:
            if len(vector["values"]) != self.server_.dimension:
                raise _RefusedError(
                    400, f"Vector dimension {len(vector['values'])} does not match the dimension of the index"
                )
            if len(json.dumps(vector.get("metadata", {}))) > MOST_METADATA_BYTES:
                raise _RefusedError(400, "Metadata size exceeds the limit")
            if any(value is None for value in vector.get("metadata", {}).values()):
                raise _RefusedError(400, "Metadata value must be a string, number, boolean or list of strings")
        for vector in vectors:
            self.server_.write(namespace, vector["id"], vector)
        return {"upsertedCount": len(vectors)}

    def _query(self, records: dict[str, Vector], namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        if len(body["vector"]) != self.server_.dimension:
            raise _RefusedError(400, "Query vector dimension does not match the dimension of the index")
        chosen = [v for v in records.values() if _fits(v.get("metadata", {}), body.get("filter", {}))]
        matches: list[dict[str, Any]] = []
        if chosen:
            table = np.array([vector["values"] for vector in chosen])
            query = np.array(body["vector"])
            scores = table @ query / np.linalg.norm(table, axis=1) / np.linalg.norm(query)
            for place in np.argsort(-scores, kind="stable")[: body["topK"]]:
                vector = chosen[place]
                match: dict[str, Any] = {"id": vector["id"], "score": float(scores[place]), "values": []}
                if body.get("includeMetadata"):
                    match["metadata"] = vector.get("metadata", {})
                matches.append(match)
        return {"results": [], "matches": matches, "namespace": namespace, "usage": {"readUnits": 1}}

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@contextmanager
def pinecone_server(dimension: int) -> Iterator[PineconeServer]:
    """Run a server with one empty index."""
    state = PineconeServer(0, dimension)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"server_": state}))
    server.daemon_threads = True
    state.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
