"""The queue's rules: publishing, leasing, acknowledging, failing. Plain functions that run inside a transaction.

Functions that may make a message ready return the ids of the subscriptions concerned, so that those who wait there are
woken.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sonicgen.local.pubsub.names import split
from sonicgen.local.pubsub.queries import QUERIES
from sonicgen.local.pubsub.records import Catalog, Delivery, Handle, NewMessage, Subscription, Topic

# Leases that are found overdue in one transaction; a few milliseconds of work.
_OVERDUE_BATCH = 500


@dataclass(frozen=True, slots=True)
class Batch:
    """What `take` found: deliveries, or the time at which the next one is ready (None: nothing is due)."""

    deliveries: list[Delivery]
    next_at: float | None


def publish(
    connection: sqlite3.Connection, catalog: Catalog, topic: Topic, messages: Iterable[NewMessage], now: float
) -> tuple[list[int], set[int]]:
    """Store messages, each owed to the subscriptions whose filter it passes; return its ids and those subscriptions."""
    subscriptions = catalog.by_topic.get(topic.id, ())
    kept = [topic.retention_seconds] + [s.retention_seconds for s in subscriptions if s.config.retain_acked_messages]
    keep_until = now + max(kept) if max(kept) > 0 else 0.0
    ids = []
    touched = set()
    for message in messages:
        row = {
            "topic": topic.id,
            "now": now,
            "keep_until": keep_until,
            "ordering_key": message.ordering_key,
            "attributes": json.dumps(message.attributes, ensure_ascii=False, separators=(",", ":")),
            "data": message.data,
        }
        number = connection.execute(QUERIES["insert_message"], row).lastrowid or 0
        takers = [s for s in subscriptions if s.passes(message.attributes)]
        for subscription in takers:
            _owe(connection, subscription, number, message.ordering_key, now)
            touched.add(subscription.id)
        if not takers:
            connection.execute(QUERIES["delete_orphan"], {"message": number, "now": now})
        ids.append(number)
    return ids, touched


def take(
    connection: sqlite3.Connection,
    subscription: Subscription,
    *,
    limit: int,
    max_bytes: int,
    lease_seconds: float,
    now: float,
) -> Batch:
    """Lease up to `limit` ready messages, stopping at `max_bytes` of data but giving at least one."""
    lease = secrets.randbits(48)
    found: list[Delivery] = []
    size = 0
    rows = connection.execute(QUERIES["ready"], {"subscription": subscription.id, "now": now, "limit": limit})
    for message_id, attempt, publish_time, ordering_key, attributes, data in rows:
        size += len(data) + len(attributes)
        if found and size > max_bytes:
            break
        values = json.loads(attributes)
        found.append(
            Delivery(subscription.id, message_id, lease, attempt + 1, publish_time, ordering_key, values, data)
        )
    rows.close()
    if not found:
        (next_at,) = connection.execute(QUERIES["next_ready"], {"subscription": subscription.id}).fetchone()
        return Batch([], next_at)
    until = now + lease_seconds
    connection.executemany(
        QUERIES["lease"],
        [{"message": d.message_id, "subscription": d.subscription_id, "until": until, "lease": lease} for d in found],
    )
    return Batch(found, None)


def acknowledge(connection: sqlite3.Connection, handles: Iterable[Handle], now: float) -> set[int]:
    """Remove deliveries for good.

    An ack that comes after its lease has run out counts too: the work was done, and doing it again helps nobody.
    """
    touched = set()
    for handle in handles:
        keys = {"message": handle.message_id, "subscription": handle.subscription_id}
        removed = connection.execute(QUERIES["acknowledge"], keys).fetchall()
        for (ordering_key,) in removed:
            connection.execute(QUERIES["delete_orphan"], {"message": handle.message_id, "now": now})
            if ordering_key:
                _unblock(connection, handle.subscription_id, ordering_key, now)
                touched.add(handle.subscription_id)
    return touched


def extend(connection: sqlite3.Connection, leases: Iterable[tuple[Handle, float]]) -> None:
    """Let each lease, if it still holds, run out at the time given with it."""
    connection.executemany(
        QUERIES["extend"],
        [
            {"message": h.message_id, "subscription": h.subscription_id, "lease": h.lease, "until": until}
            for h, until in leases
        ],
    )


def fail(connection: sqlite3.Connection, catalog: Catalog, handles: Iterable[Handle], now: float) -> set[int]:
    """End leases without success: the message comes again after its backoff, or goes to the dead letters."""
    touched = set()
    for handle in handles:
        subscription = catalog.by_id.get(handle.subscription_id)
        if subscription is None:
            continue
        keys = {"message": handle.message_id, "subscription": handle.subscription_id}
        row = connection.execute(QUERIES["leased"], {**keys, "lease": handle.lease}).fetchone()
        if row is None:
            continue
        attempt = row[0]
        touched.add(subscription.id)
        grave = catalog.topics.get(subscription.dead_letter_topic)
        if grave is not None and attempt >= subscription.max_delivery_attempts:
            letter = _dead_letter(subscription, *row)
            _, woken = publish(connection, catalog, grave, [letter], now)
            touched |= woken | acknowledge(connection, [handle], now)
        else:
            connection.execute(QUERIES["nack"], {**keys, "at": now + subscription.backoff(attempt)})
    return touched


def release(connection: sqlite3.Connection, handles: Iterable[Handle], at: float) -> set[int]:
    """Take leases back as if they had not been given: the attempt does not count."""
    touched = set()
    for handle in handles:
        keys = {"message": handle.message_id, "subscription": handle.subscription_id, "lease": handle.lease}
        connection.execute(QUERIES["release"], {**keys, "at": at})
        touched.add(handle.subscription_id)
    return touched


def overdue(connection: sqlite3.Connection, now: float) -> Sequence[Handle]:
    """Return leases whose deadline has passed, oldest first, a bounded number at a time."""
    rows = connection.execute(QUERIES["overdue"], {"now": now, "limit": _OVERDUE_BATCH})
    return [Handle(*row) for row in rows.fetchall()]


def _owe(connection: sqlite3.Connection, subscription: Subscription, message: int, key: str, now: float) -> None:
    row = {
        "message": message,
        "subscription": subscription.id,
        "ordering_key": key if subscription.ordered else "",
        "now": now,
    }
    connection.execute(QUERIES["insert_delivery"], row)


def _unblock(connection: sqlite3.Connection, subscription_id: int, ordering_key: str, now: float) -> None:
    row = {"subscription": subscription_id, "ordering_key": ordering_key, "now": now}
    connection.execute(QUERIES["unblock"], row)


def _dead_letter(
    subscription: Subscription, attempt: int, publish_time: float, ordering_key: str, attributes: str, data: bytes
) -> NewMessage:
    project, short = split(subscription.name)
    published = datetime.fromtimestamp(publish_time, UTC).isoformat(timespec="milliseconds")
    extra = {
        "CloudPubSubDeadLetterSourceDeliveryCount": str(attempt),
        "CloudPubSubDeadLetterSourceSubscription": short,
        "CloudPubSubDeadLetterSourceSubscriptionProject": project,
        "CloudPubSubDeadLetterSourceTopicPublishTime": published,
    }
    return NewMessage(data, {**json.loads(attributes), **extra}, ordering_key)
