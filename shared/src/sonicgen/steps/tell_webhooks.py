"""Tell other systems what happened: signed, tried again for a day, never into a private network."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import threading
import time
from collections.abc import Mapping

from sonicgen import __version__
from sonicgen.errors import InputError, SonicGenError
from sonicgen.services.fetch import fetch
from sonicgen.services.guard import read_target
from sonicgen.steps.services import Services
from sonicgen.store import webhooks
from sonicgen.store.database import Connection, Database
from sonicgen.store.webhooks import Due, Webhook

logger = logging.getLogger(__name__)

# What can be listened to; docs/api.md has each one's fields.
EVENTS = ("find.done", "recording.decided", "transcript.ready", "match.reviewed")
# Waits between attempts; a day in all, as a receiver may be down overnight.
WAITS_SECONDS = (10.0, 60.0, 300.0, 1_800.0, 7_200.0, 28_800.0, 43_200.0)
_ANSWER_BYTES = 64 << 10
_TIMEOUT_SECONDS = 10.0
_LOOK_SECONDS = 2.0
_AT_ONCE = 20


def add_webhook(services: Services, url: str, events: list[str]) -> Webhook:
    """Keep an address; raise InputError for what is no link, leads into a private network, or wants unknown events."""
    unknown = sorted(set(events) - set(EVENTS))
    if unknown or not events:
        raise InputError(f"Events are {', '.join(EVENTS)}; there is no {', '.join(unknown) or 'empty list'}.")
    target = read_target(url)
    services.guard.addresses(target.host, target.port)
    return webhooks.add(services.database, url, sorted(set(events)))


def enqueue(connection: Connection | Database, event: str, event_id: str, data: Mapping[str, object]) -> None:
    """Have an event told, in the transaction that makes it true; the same id again tells nobody twice."""
    body = {"id": event_id, "type": event, "data": dict(data)}
    webhooks.enqueue(connection, event, event_id, json.dumps(body, ensure_ascii=False, default=str))


def sign(secret: str, body: str, at: int) -> str:
    """Return the header that proves a body to be ours: HMAC-SHA256 over the time, a dot and the body."""
    mac = hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


def deliver_due(services: Services) -> int:
    """Try what is due, and return how much that was."""
    due = webhooks.take_due(services.database, _AT_ONCE)
    for one in due:
        _deliver(services, one)
    return len(due)


def _deliver(services: Services, due: Due) -> None:
    delivery = due.delivery
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"sonicgen/{__version__}",
        "SonicGen-Event": delivery.event,
        "SonicGen-Delivery": str(delivery.id),
        "SonicGen-Signature": sign(due.secret, delivery.body, int(time.time())),
    }
    try:
        answer = fetch(
            due.url,
            maximum_bytes=_ANSWER_BYTES,
            timeout_seconds=_TIMEOUT_SECONDS,
            headers=headers,
            data=delivery.body.encode(),
            guard=services.guard,
        )
        said, is_delivered = f"{answer.status}", 200 <= answer.status < 300
    except SonicGenError as error:
        said, is_delivered = str(error)[:300], False
    wait = WAITS_SECONDS[delivery.attempts - 1] if delivery.attempts <= len(WAITS_SECONDS) else None
    webhooks.note(services.database, delivery, said, is_delivered=is_delivered, wait_seconds=wait)


class Teller:
    """A thread that delivers as soon as something is due; the maintenance sweep does it where no console runs."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; what is due stays due."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            try:
                while not self._stopped.is_set() and deliver_due(self._services):
                    pass
            except SonicGenError as error:
                logger.debug("Webhooks wait: %s", error)
            except Exception:
                logger.exception("Webhooks could not be delivered.")
