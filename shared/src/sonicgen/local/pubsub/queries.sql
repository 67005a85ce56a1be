-- name: seed_message_ids
-- Ids go on from the time of creation: after the file is deleted, no id comes a second time, and a ledger that
-- remembers ids does not take a new message for an old one.
INSERT INTO sqlite_sequence (name, seq) VALUES ('messages', :first);

-- name: topics
SELECT id, name, config FROM topics ORDER BY name;

-- name: subscriptions
SELECT id, name, topic_id, config FROM subscriptions ORDER BY name;

-- name: insert_topic
INSERT INTO topics (name, config) VALUES (:name, :config);

-- name: update_topic
UPDATE topics SET config = :config WHERE name = :name;

-- name: delete_topic
DELETE FROM topics WHERE id = :topic;

-- name: insert_subscription
INSERT INTO subscriptions (name, topic_id, config) VALUES (:name, :topic, :config);

-- name: update_subscription
UPDATE subscriptions SET config = :config WHERE id = :subscription;

-- name: delete_subscription
DELETE FROM subscriptions WHERE id = :subscription;

-- name: insert_message
INSERT INTO messages (topic_id, publish_time, keep_until, ordering_key, attributes, data)
VALUES (:topic, :now, :keep_until, :ordering_key, :attributes, :data);

-- name: insert_delivery
-- Blocked when an earlier message of the same key is still owed.
INSERT OR IGNORE INTO deliveries (message_id, subscription_id, state, attempt, available_at, lease, ordering_key)
VALUES (
    :message, :subscription,
    CASE WHEN :ordering_key <> '' AND EXISTS (
        SELECT 1 FROM deliveries
        WHERE subscription_id = :subscription AND ordering_key = :ordering_key AND ordering_key <> ''
    ) THEN 2 ELSE 0 END,
    0, :now, 0, :ordering_key
);

-- name: ready
SELECT d.message_id, d.attempt, m.publish_time, m.ordering_key, m.attributes, m.data
FROM deliveries d JOIN messages m ON m.id = d.message_id
WHERE d.subscription_id = :subscription AND d.state = 0 AND d.available_at <= :now
ORDER BY d.available_at, d.message_id LIMIT :limit;

-- name: next_ready
SELECT MIN(available_at) FROM deliveries WHERE subscription_id = :subscription AND state = 0;

-- name: lease
UPDATE deliveries SET state = 1, attempt = attempt + 1, available_at = :until, lease = :lease
WHERE message_id = :message AND subscription_id = :subscription;

-- name: extend
UPDATE deliveries SET available_at = :until
WHERE message_id = :message AND subscription_id = :subscription AND state = 1 AND lease = :lease;

-- name: acknowledge
DELETE FROM deliveries WHERE message_id = :message AND subscription_id = :subscription RETURNING ordering_key;

-- name: unblock
UPDATE deliveries SET state = 0, available_at = :now
WHERE subscription_id = :subscription AND state = 2 AND message_id = (
    SELECT MIN(message_id) FROM deliveries
    WHERE subscription_id = :subscription AND ordering_key = :ordering_key AND ordering_key <> ''
);

-- name: unblock_all
UPDATE deliveries SET state = 0, available_at = :now
WHERE subscription_id = :subscription AND state = 2 AND message_id IN (
    SELECT MIN(message_id) FROM deliveries
    WHERE subscription_id = :subscription AND ordering_key <> '' GROUP BY ordering_key
);

-- name: block_all
UPDATE deliveries SET state = 2 WHERE subscription_id = :subscription AND state = 0 AND ordering_key <> '';

-- name: delete_orphan
DELETE FROM messages WHERE id = :message AND keep_until <= :now
AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message_id = :message);

-- name: leased
SELECT d.attempt, m.publish_time, m.ordering_key, m.attributes, m.data
FROM deliveries d JOIN messages m ON m.id = d.message_id
WHERE d.message_id = :message AND d.subscription_id = :subscription AND d.state = 1 AND d.lease = :lease;

-- name: nack
UPDATE deliveries SET state = 0, available_at = :at
WHERE message_id = :message AND subscription_id = :subscription;

-- name: release
UPDATE deliveries SET state = 0, attempt = attempt - 1, available_at = :at
WHERE message_id = :message AND subscription_id = :subscription AND state = 1 AND lease = :lease;

-- name: release_all
UPDATE deliveries SET state = 0, available_at = :now WHERE state = 1;

-- name: overdue
SELECT subscription_id, message_id, lease FROM deliveries
WHERE state = 1 AND available_at <= :now ORDER BY available_at LIMIT :limit;

-- name: drop_before
DELETE FROM deliveries WHERE subscription_id = :subscription AND message_id IN (
    SELECT id FROM messages WHERE topic_id = :topic AND publish_time < :time
);

-- name: drop_all
DELETE FROM deliveries WHERE subscription_id = :subscription;

-- name: delete_orphans
DELETE FROM messages WHERE topic_id = :topic AND keep_until <= :now
AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message_id = messages.id);

-- name: delete_orphans_before
DELETE FROM messages WHERE topic_id = :topic AND publish_time < :time AND keep_until <= :now
AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message_id = messages.id);

-- name: delete_kept
DELETE FROM messages WHERE keep_until > 0 AND keep_until <= :now
AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message_id = messages.id);

-- name: kept_since
SELECT id, ordering_key, attributes FROM messages
WHERE topic_id = :topic AND publish_time >= :time ORDER BY id;

-- name: statistics
SELECT subscription_id, SUM(state = 1), COUNT(*), MIN(message_id) FROM deliveries GROUP BY subscription_id;

-- name: publish_time
SELECT publish_time FROM messages WHERE id = :message;
