"""A WebSub hub for tests: it takes subscriptions, asks back, and pushes with a signature, all over HTTP."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit


@dataclass
class Subscription:
    """What a subscriber asked for and, once it echoed the challenge, has."""

    topic: str
    callback: str
    secret: str
    lease_seconds: int
    is_verified: bool = False


@dataclass
class Hub:
    """The hub's state; `status` is what it answers to requests, `deny` makes it refuse after it has accepted."""

    subscriptions: dict[str, Subscription] = field(default_factory=dict)  # by callback
    status: int = 202
    deny: bool = False
    method: str = "sha1"
    granted_seconds: int = 432_000
    challenges: list[tuple[int, bytes]] = field(default_factory=list)
    url: str = ""

    def ask_back(self, form: dict[str, str], mode: str) -> None:
        """Let the subscriber prove that it asked."""
        challenge = secrets.token_urlsafe(12)
        query = {"hub.mode": mode, "hub.topic": form["hub.topic"], "hub.challenge": challenge}
        if mode == "subscribe":
            query["hub.lease_seconds"] = str(self.granted_seconds)
        callback = form["hub.callback"]
        status, body = _request("GET", f"{callback}{'&' if '?' in callback else '?'}{urlencode(query)}")
        self.challenges.append((status, body))
        if mode == "denied" or not 200 <= status < 300 or body != challenge.encode():
            return
        if mode == "unsubscribe":
            self.subscriptions.pop(callback, None)
            return
        asked = int(form.get("hub.lease_seconds", "432000"))
        made = Subscription(form["hub.topic"], callback, form.get("hub.secret", ""), asked, is_verified=True)
        self.subscriptions[callback] = made

    def push(self, body: bytes, *, signature: str | None = None) -> list[int]:
        """Push to all and return their answers; those that say 410 are dropped."""
        answers = []
        for subscription in list(self.subscriptions.values()):
            digest = hmac.new(subscription.secret.encode(), body, getattr(hashlib, self.method)).hexdigest()
            headers = {
                "Content-Type": "application/atom+xml",
                "X-Hub-Signature": f"{self.method}={digest}" if signature is None else signature,
                "Link": f'<{subscription.topic}>; rel="self", <{self.url}>; rel="hub"',
            }
            status, _ = _request("POST", subscription.callback, body, headers)
            if status == 410:
                del self.subscriptions[subscription.callback]
            answers.append(status)
        return answers


@contextmanager
def serving_hub() -> Iterator[Hub]:
    """Serve a hub inside the block; like YouTube's it asks back before it answers."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(raw).items()}
            if hub.status == 202:
                hub.ask_back(form, "denied" if hub.deny else form["hub.mode"])
            self.send_response(hub.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        hub.url = f"http://127.0.0.1:{server.server_address[1]}/"
        yield hub
        server.shutdown()
        thread.join()


def _request(
    method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request(method, f"{parts.path}?{parts.query}" if parts.query else parts.path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
