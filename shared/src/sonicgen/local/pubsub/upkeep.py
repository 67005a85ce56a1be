"""What happens to the queue as a whole: seeking, retention, removal and figures. Runs inside a transaction."""

from __future__ import annotations

import json
import sqlite3

from sonicgen.local.pubsub.names import DELETED_TOPIC
from sonicgen.local.pubsub.queries import QUERIES
from sonicgen.local.pubsub.records import Catalog, Subscription, SubscriptionStatistics

# Pages given back to the file system in one round; 4 MB, some milliseconds.
_VACUUM_PAGES = 1000


def drop_before(connection: sqlite3.Connection, subscription: Subscription, time: float, now: float) -> None:
    """Forget a subscription's deliveries of messages published before `time`."""
    row = {"subscription": subscription.id, "topic": subscription.topic_id, "time": time, "now": now}
    if connection.execute(QUERIES["drop_before"], row).rowcount == 0:
        return
    connection.execute(QUERIES["delete_orphans_before"], row)
    if subscription.ordered:
        connection.execute(QUERIES["unblock_all"], row)


def seek(connection: sqlite3.Connection, catalog: Catalog, subscription: Subscription, time: float, now: float) -> None:
    """Make everything before `time` acknowledged and, as far as it is kept, everything since then owed again."""
    drop_before(connection, subscription, time, now)
    topics = [topic for topic in catalog.topics.values() if topic.id == subscription.topic_id]
    if not subscription.config.retain_acked_messages and not any(topic.retention_seconds for topic in topics):
        return
    kept = connection.execute(QUERIES["kept_since"], {"topic": subscription.topic_id, "time": time})
    connection.executemany(
        QUERIES["insert_delivery"],
        (
            {
                "message": message,
                "subscription": subscription.id,
                "ordering_key": key if subscription.ordered else "",
                "now": now,
            }
            for message, key, attributes in kept.fetchall()
            if subscription.passes(json.loads(attributes))
        ),
    )
    if subscription.ordered:
        # What came back may be older than what was the first of its key until now.
        connection.execute(QUERIES["block_all"], {"subscription": subscription.id})
        connection.execute(QUERIES["unblock_all"], {"subscription": subscription.id, "now": now})


def remove_subscription(connection: sqlite3.Connection, subscription: Subscription, now: float) -> None:
    """Remove a subscription with all that it is owed."""
    connection.execute(QUERIES["drop_all"], {"subscription": subscription.id})
    connection.execute(QUERIES["delete_orphans"], {"topic": subscription.topic_id, "now": now})
    connection.execute(QUERIES["delete_subscription"], {"subscription": subscription.id})


def remove_topic(connection: sqlite3.Connection, catalog: Catalog, name: str) -> None:
    """Remove a topic; its subscriptions stay, with what they are owed."""
    topic = catalog.topic(name)
    for subscription in catalog.by_topic.get(topic.id, ()):
        config = type(subscription.config)()
        config.CopyFrom(subscription.config)
        config.topic = DELETED_TOPIC
        row = {"config": config.SerializeToString(), "subscription": subscription.id}
        connection.execute(QUERIES["update_subscription"], row)
    connection.execute(QUERIES["delete_topic"], {"topic": topic.id})


def prune(connection: sqlite3.Connection, catalog: Catalog, now: float) -> None:
    """Forget what is older than its retention."""
    for subscription in catalog.subscriptions.values():
        drop_before(connection, subscription, now - subscription.retention_seconds, now)
    connection.execute(QUERIES["delete_kept"], {"now": now})
    connection.execute(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})").fetchall()


def count(connection: sqlite3.Connection, catalog: Catalog, now: float) -> list[SubscriptionStatistics]:
    """Return the figures of every subscription, in the order of their names."""
    rows = {row[0]: row[1:] for row in connection.execute(QUERIES["statistics"])}
    figures = []
    for subscription in catalog.subscriptions.values():
        in_flight, total, oldest = rows.get(subscription.id, (0, 0, None))
        age = 0.0
        if oldest is not None:
            published = connection.execute(QUERIES["publish_time"], {"message": oldest}).fetchone()
            age = max(0.0, now - published[0]) if published else 0.0
        figures.append(
            SubscriptionStatistics(
                subscription=subscription.name,
                topic=subscription.config.topic,
                push_endpoint=subscription.push_endpoint,
                queued=total - in_flight,
                in_flight=in_flight,
                oldest_seconds=age,
            )
        )
    return figures
