from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sonicgen.steps.tell_webhooks import deliver_due, enqueue
from tests.acceptance.conftest import wait_for
from tests.unit.console.conftest import Console


@dataclass
class Receiver:
    """Another system that wants to be told."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], str]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            made.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(made.answers.pop(0) if made.answers else 204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


def test_a_webhook_is_signed_and_tried_again_and_told_once(console: Console, receiver: Receiver) -> None:
    url = f"http://127.0.0.1:{receiver.port}/hook"
    refused = console.ask.post("/v1/webhooks", json={"url": url, "events": ["find.done"]})
    assert (refused.status_code, refused.json()["code"]) == (400, "forbidden_address")
    console.services.__dict__.pop("guard", None)
    with console.configured(allowed_hosts=f"127.0.0.1:{receiver.port}"):
        made = console.ask.post("/v1/webhooks", json={"url": url, "events": ["find.done"]}).json()
        assert "secret" not in console.ask.get("/v1/webhooks").json()["webhooks"][0]
        receiver.answers = [500]
        console.ask.post("/v1/find", files={"file": console.clip(0)})
        wait_for(lambda: receiver.got, 20)
        address = f"/v1/webhooks/{made['id']}/deliveries"
        (failed,) = wait_for(lambda: [one for one in deliveries(console, address) if one["last_answer"]])
        assert (failed["last_answer"], failed["attempts"], failed["delivered_at"]) == ("500", 1, None)
        with console.services.database.transaction() as connection:
            connection.execute("update webhook_deliveries set next_attempt_at = now()")
        wait_for(lambda: deliveries(console, address)[0]["delivered_at"], 20)
        headers, body = receiver.got[-1]
        stamp, _, signature = headers["sonicgen-signature"].partition(",v1=")
        at = stamp.removeprefix("t=")
        assert abs(int(at) - time.time()) < 30
        assert signature == hmac.new(made["secret"].encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
        told = json.loads(body)
        assert (told["type"], told["data"]["episode_id"]) == ("find.done", str(console.pieces[0].id))
        with console.services.database.transaction() as connection:  # the same event again
            enqueue(connection, "find.done", told["id"], {})
            enqueue(connection, "match.reviewed", "nobody wants it", {})
        assert deliver_due(console.services) == 0
        assert console.ask.delete(f"/v1/webhooks/{made['id']}").status_code == 204
    console.services.__dict__.pop("guard", None)
    assert console.ask.delete(f"/v1/webhooks/{made['id']}").status_code == 404
    unknown = console.ask.post("/v1/webhooks", json={"url": "https://example.com/", "events": ["everything"]})
    assert unknown.status_code == 422


def deliveries(console: Console, address: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = console.ask.get(address).json()["deliveries"]
    return found
