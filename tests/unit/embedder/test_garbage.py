"""Bodies that no client of ours would send to the embedder: refused with a sentence, never a server error."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.unit.embedder.conftest import Service

BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "no text": b"\xff\xfe\x00",
    "NaN": b'{"spans": [[NaN, Infinity]], "threshold": NaN, "embedding": [NaN], "vectors": [[NaN]]}',
    "nested": b"[" * 100_000,
    "nested objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "doubled fields": b'{"objects": [], "objects": {"a": 1}, "objects": null}',
    "numbers without end": b'{"spans": [[0, ' + b"9" * 6_000 + b"]]}",
    "NUL": json.dumps({"uri": "gs://a\0/b\0", "bucket": "\0", "name": "\0"}).encode(),
    "half a character": b'{"uri": "\\ud800", "bucket": "\\udfff", "name": "\\ud800"}',
    "wrong types": json.dumps({"uri": [], "spans": {}, "objects": "x", "embedding": "y", "items": 3}).encode(),
    "a list": b"[]",
    "text": b'"text"',
    "large": b'{"uri": "' + b"x" * 3_000_000 + b'"}',
}
_FILE = b'--line\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
FORMS: dict[str, bytes] = {
    "cut off in the head": _FILE[:40],
    "cut off in the file": _FILE + b"RIFF" * 50,
    "two files": (_FILE + b"RIFF\r\n") * 2 + b"--line--\r\n",
    "a name that is none": b'--line\r\nContent-Disposition: form-data; name="\xff\x00"\r\n\r\nx\r\n--line--\r\n',
    "NaN": _FILE + b'RIFF\r\n--line\r\nContent-Disposition: form-data; name="threshold"\r\n\r\nNaN\r\n--line--\r\n',
    "no parts": b"--line--\r\n",
}


def _operations(client: httpx.Client) -> list[tuple[str, str]]:
    document: dict[str, Any] = client.get("/openapi.json").json()
    return [
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if method in ("post", "put", "patch", "delete")
    ]


def _status(client: httpx.Client, method: str, path: str, body: bytes, kind: str) -> int:
    """Return the status of the answer, 0 where the connection was closed on what had not been read of the body."""
    try:
        return client.request(method, path, content=body, headers={"content-type": kind}).status_code
    except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
        assert client.get("/health").status_code == 200
        return 0


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_no_json_body_ends_in_a_server_error(service: Service, body: bytes) -> None:
    with service.client() as client:
        found = {
            (method, path): _status(client, method, path, body, "application/json")
            for method, path in _operations(client)
        }
    assert found
    assert {place: code for place, code in found.items() if code >= 500} == {}
    assert service.left_behind() == []


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_no_form_ends_in_a_server_error(service: Service, form: bytes) -> None:
    kind = "multipart/form-data; boundary=line"
    with service.client() as client:
        found = {(method, path): _status(client, method, path, form, kind) for method, path in _operations(client)}
        assert client.get("/health").status_code == 200
    assert {place: code for place, code in found.items() if code >= 500} == {}
    assert service.left_behind() == []


@pytest.mark.parametrize("query", ["threshold=NaN", "num_speakers=99999999999999999999", "min_duration=Infinity",
                                   "normalize=%00", "threshold=" + "9" * 5_000])  # fmt: skip
def test_no_query_ends_in_a_server_error(service: Service, query: str) -> None:
    with service.client() as client:
        for method, path in _operations(client):
            answer = client.request(method, f"{path}?{query}", files={"file": ("a.wav", b"RIFF")})
            assert answer.status_code < 500, (method, path)
