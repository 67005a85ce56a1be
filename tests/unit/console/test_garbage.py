"""Bodies that no client of ours would send: refused with a sentence, never a server error."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.unit.console.conftest import Console

IDENTIFIER = "00000000-0000-0000-0000-000000000000"
JSON_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "no text": b"\xff\xfe\x00",
    "NaN": b'{"name": NaN, "limit": Infinity, "text": -Infinity, "start_seconds": NaN}',
    "nested": b"[" * 100_000,
    "nested objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "doubled fields": b'{"name": "a", "name": {"b": 1}, "name": null}',
    "numbers without end": b'{"name": ' + b"9" * 6_000 + b', "limit": ' + b"9" * 400 + b"}",
    "NUL": json.dumps({"name": "a\0b", "text": "\0", "query": "\0", "speaker": "\0", "address": "\0"}).encode(),
    "half a character": b'{"name": "\\ud800", "text": "\\udfff", "query": "\\ud800", "address": "\\ud800"}',
    "directions": json.dumps({"name": "\u202egnp.exe", "text": "\u0300" * 5_000, "address": "\u2066"}).encode(),
    "wrong types": json.dumps({"name": [], "text": {}, "limit": "x", "address": 5, "role": {}, "url": []}).encode(),
    "a list": b"[]",
    "text": b'"text"',
    "large": b'{"name": "' + b"x" * 3_000_000 + b'"}',
}


def _operations(console: Console) -> list[tuple[str, str]]:
    document: dict[str, Any] = console.ask.get("/v1/openapi.json").json()
    return [
        (method.upper(), path.replace("{identifier}", IDENTIFIER))
        for path, methods in document["paths"].items()
        for method in methods
        if method in ("post", "put", "patch", "delete") and "dead-letters" not in path
    ]


@pytest.mark.parametrize("body", JSON_BODIES.values(), ids=JSON_BODIES)
def test_no_json_body_ends_in_a_server_error(console: Console, body: bytes) -> None:
    troubles = []
    for method, path in _operations(console):
        for part in ("{", "}"):
            path = path.replace(part, "")
        answer = console.ask.request(method, path, content=body, headers={"content-type": "application/json"})
        if answer.status_code >= 500:
            troubles.append((method, path, answer.status_code))
    assert troubles == []


# The form's parser leaves a file that never ended to the collector; it was in memory, and is gone with the request.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Unclosed file <tempfile.SpooledTemporaryFile:ResourceWarning",
    "ignore:Exception ignored in. <function SpooledTemporaryFile:pytest.PytestUnraisableExceptionWarning",
)

QUERIES = ("limit=NaN", "limit=-1", "limit=99999999999999999999", "cursor=%00", "cursor=%ff", "q=%00", "q=%ed%a0%80",
           "q=" + "x" * 9_000, "after=%F0%9F%8E%B5", "from=0000-00-00", "from=NaN&to=Infinity", "speaker=%00",
           "status=%00", "channel=" + "%00" * 20, "sort=;drop", "limit=1&limit=x", "=&&=%")  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_no_query_ends_in_a_server_error(console: Console, query: str) -> None:
    document: dict[str, Any] = console.ask.get("/v1/openapi.json").json()
    troubles = []
    for path, methods in document["paths"].items():
        if "get" in methods and "stream" not in path and "events" not in path and "dead-letters" not in path:
            place = path.replace("{identifier}", IDENTIFIER).replace("{", "").replace("}", "")
            answer = console.ask.get(f"{place}?{query}")
            if answer.status_code >= 500:
                troubles.append((place, answer.status_code))
    assert troubles == []


IDENTIFIERS = ("%00", "..%2f..%2fetc%2fpasswd", "%ed%a0%80", "x" * 5_000, "-1", "NaN", "%F0%9F%8E%B5", "'; select 1")


@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_no_identifier_ends_in_a_server_error(console: Console, identifier: str) -> None:
    document: dict[str, Any] = console.ask.get("/v1/openapi.json").json()
    troubles = []
    for path, methods in document["paths"].items():
        if "get" in methods and "{" in path and "events" not in path:
            head, _, tail = path.partition("{")
            place = head + identifier + tail.partition("}")[2].replace("{", "").replace("}", "")
            answer = console.ask.get(place)
            if answer.status_code >= 500:
                troubles.append((place[:80], answer.status_code))
    assert troubles == []


BOUNDARY = b"line"
_FILE = b'--line\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
FORMS: dict[str, bytes] = {
    "cut off in the head": _FILE[:40],
    "cut off in the file": _FILE + b"RIFF" * 50,
    "no end": _FILE + b"RIFF\r\n--line",
    "two files": (_FILE + b"RIFF\r\n") * 2 + b"--line--\r\n",
    "a file without a name": b'--line\r\nContent-Disposition: form-data; filename="a"\r\n\r\nx\r\n--line--\r\n',
    "a name that is none": b'--line\r\nContent-Disposition: form-data; name="\xff\x00"\r\n\r\nx\r\n--line--\r\n',
    "a file's name with NUL": _FILE.replace(b"a.wav", b"a\x00.wav") + b"RIFF\r\n--line--\r\n",
    "a file's name of 20,000 letters": _FILE.replace(b"a.wav", b"a" * 20_000) + b"RIFF\r\n--line--\r\n",
    "text in the file's place": _FILE.replace(b'; filename="a.wav"', b"") + b"x\r\n--line--\r\n",
    "ten thousand fields": b"".join(
        b'--line\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx\r\n' % n for n in range(10_000)
    ) + b"--line--\r\n",
    "doubled fields": (
        b'--line\r\nContent-Disposition: form-data; name="url"\r\n\r\nhttp://x\r\n' * 3 + _FILE + b"x\r\n--line--\r\n"
    ),
    "no parts": b"--line--\r\n",
    "another line": b"--other--\r\n",
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("path", ["/v1/find", "/v1/uploads", "/biometric/api/speakers/enroll", "/api/v1/identify"])
def test_no_form_ends_in_a_server_error(console: Console, path: str, form: bytes) -> None:
    answer = console.ask.post(path, content=form, headers={"content-type": "multipart/form-data; boundary=line"})
    assert answer.status_code < 500


KINDS = (
    "multipart/form-data", "multipart/form-data; boundary=", "application/json;charset=\x01", "text/plain",
    "application/x-www-form-urlencoded", "multipart/mixed; boundary=line",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_body_ends_in_a_server_error(console: Console, kind: str) -> None:
    for path in ("/v1/find", "/v1/uploads"):
        answer = console.ask.post(path, content=FORMS["two files"], headers={"content-type": kind})
        assert answer.status_code < 500


def test_a_body_that_ends_early_leaves_the_console_well(console: Console) -> None:
    place = urlsplit(console.url)
    for cut in (0, 20, 500):
        with socket.create_connection((str(place.hostname), int(place.port or 0)), timeout=10) as connection:
            head = (
                b"POST /v1/find HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=line\r\n"
                b"content-length: 100000\r\n\r\n"
            )
            connection.sendall(head + (_FILE + b"RIFF" * 500)[:cut])
    assert console.ask.get("/v1/stats").status_code == 200
