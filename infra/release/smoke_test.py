"""Asks a release that has no traffic yet whether it works: the console, both callbacks, and one recording all the way.

    python infra/release/smoke_test.py build/outputs.json

A second of silence is dropped into the inbox; that it was read, and refused as what it is, stands in the event ledger.
Only the standard library: it runs in the plain image of a build step, as the account that deploys.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
import wave
from collections.abc import Mapping
from pathlib import Path

# A first instance is started, its image fetched; then the message is delivered.
EVENT_SECONDS = 300.0
CALL_SECONDS = 60.0
METADATA = "http://metadata.google.internal"
STORAGE = "https://storage.googleapis.com"
FIRESTORE = "https://firestore.googleapis.com"
ENDED = {"done", "failed"}


class NotWorkingError(Exception):
    """The release does not work; the message says where."""


def main(outputs: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Ask everything; raises NotWorkingError at the first that does not answer as it should."""
    console, webhook, inbox = outputs["candidate_url"], outputs["webhook_url"], outputs["inbox"]
    _expect("the console's health", f"{console}/healthz", {200})
    _expect("the console's page", f"{console}/", {200})
    # Without the secret: refused, or not set up yet. Anything else means that it does not run.
    _expect("the callback of transcripts", webhook, {401, 503}, data=b"{}")
    token = _token(environment.get("SMOKE_METADATA", METADATA))
    storage = environment.get("SMOKE_STORAGE", STORAGE)
    name, generation = _upload(storage, inbox, token)
    try:
        _wait_for_event(
            environment.get("SMOKE_FIRESTORE", FIRESTORE), outputs["project"], inbox, name, generation, token
        )
    finally:
        _call(f"{storage}/storage/v1/b/{inbox}/o/{urllib.parse.quote(name, safe='')}", token, method="DELETE")


def _token(metadata: str) -> str:
    path = "/computeMetadata/v1/instance/service-accounts/default/token"
    request = urllib.request.Request(f"{metadata}{path}", headers={"Metadata-Flavor": "Google"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=CALL_SECONDS) as answer:  # noqa: S310 (addresses are ours)
        return str(json.load(answer)["access_token"])


def _upload(storage: str, inbox: str, token: str) -> tuple[str, str]:
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 8_000))
    name = f"smoke-tests/{uuid.uuid4()}.wav"
    query = urllib.parse.urlencode({"uploadType": "media", "name": name})
    address = f"{storage}/upload/storage/v1/b/{inbox}/o?{query}"
    status, stored = _call(address, token, method="POST", data=sound.getvalue(), kind="audio/wav")
    if status != 200:
        raise NotWorkingError(f"The inbox takes nothing ({status}).")
    return name, str(json.loads(stored)["generation"])


def _wait_for_event(firestore: str, project: str, inbox: str, name: str, generation: str, token: str) -> None:
    # As sonicgen.cloud.once names its entries; a test compares.
    key = hashlib.sha256(f"fingerprint_match\n{inbox}/{name}#{generation}".encode()).hexdigest()
    address = f"{firestore}/v1/projects/{project}/databases/(default)/documents/event_ledger/{key}"
    deadline = time.monotonic() + EVENT_SECONDS
    state = None
    while time.monotonic() < deadline:
        status, body = _call(address, token)
        if status == 200:
            state = json.loads(body)["fields"]["state"]["stringValue"]
            if state in ENDED:
                return
        elif status != 404:
            raise NotWorkingError(f"The event ledger cannot be read ({status}).")
        time.sleep(2)
    raise NotWorkingError(f"A recording was dropped and not worked on within {EVENT_SECONDS:.0f} s (ledger: {state}).")


def _expect(what: str, address: str, statuses: set[int], data: bytes | None = None) -> None:
    status, _ = _call(address, data=data, method="GET" if data is None else "POST")
    if status not in statuses:
        raise NotWorkingError(f"{what} answers {status}, not {' or '.join(map(str, sorted(statuses)))} ({address}).")
    print(f"{what}: {status}", flush=True)


def _call(
    address: str,
    token: str | None = None,
    *,
    method: str = "GET",
    data: bytes | None = None,
    kind: str = "application/json",
) -> tuple[int, bytes]:
    headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(address, data, headers, method=method)  # noqa: S310 (addresses are ours)
    try:
        with urllib.request.urlopen(request, timeout=CALL_SECONDS) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        raise NotWorkingError(f"{address} does not answer: {error}.") from error


def _read_outputs(path: Path) -> dict[str, str]:
    read = {name: output["value"] for name, output in json.loads(path.read_text()).items()}
    return {**read, "inbox": read["buckets"]["inbox"].removeprefix("gs://")}


if __name__ == "__main__":
    try:
        main(_read_outputs(Path(sys.argv[1])), os.environ)
    except NotWorkingError as failure:
        sys.exit(str(failure))
