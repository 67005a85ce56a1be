-- One file holds everything. Configurations are the serialized protobuf messages of the service.

CREATE TABLE topics (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    config BLOB NOT NULL
);

CREATE TABLE subscriptions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    topic_id INTEGER NOT NULL, -- stays when the topic is deleted; numbers are not used twice
    config BLOB NOT NULL
);

-- Each message once per topic, for as long as a delivery of it is owed or it is kept for a replay.
-- `data` comes last: sqlite then reads the other columns without walking the pages of a large body.
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic_id INTEGER NOT NULL,
    publish_time REAL NOT NULL, -- seconds since 1970
    keep_until REAL NOT NULL, -- 0: removed with its last delivery
    ordering_key TEXT NOT NULL,
    attributes TEXT NOT NULL, -- JSON
    data BLOB NOT NULL
);
CREATE INDEX messages_by_time ON messages (topic_id, publish_time);
CREATE INDEX messages_kept ON messages (keep_until) WHERE keep_until > 0;

-- One row for each message that a subscription has not acknowledged.
-- state 0: ready at `available_at`; 1: leased to a subscriber until `available_at`;
--       2: blocked behind an earlier message of the same ordering key.
CREATE TABLE deliveries (
    message_id INTEGER NOT NULL,
    subscription_id INTEGER NOT NULL,
    state INTEGER NOT NULL,
    attempt INTEGER NOT NULL, -- deliveries begun so far
    available_at REAL NOT NULL,
    lease INTEGER NOT NULL, -- number of the lease, so that a late nack of an old one does nothing
    ordering_key TEXT NOT NULL, -- empty when the subscription does not order
    PRIMARY KEY (message_id, subscription_id)
) WITHOUT ROWID;
CREATE INDEX deliveries_ready ON deliveries (subscription_id, state, available_at, message_id);
CREATE INDEX deliveries_ordered ON deliveries (subscription_id, ordering_key, message_id) WHERE ordering_key <> '';
CREATE INDEX deliveries_leased ON deliveries (available_at) WHERE state = 1;
