-- The state of the embedded Cloud Storage. Times are microseconds since 1970; JSON columns hold objects.

CREATE TABLE IF NOT EXISTS generations (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    newest INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO generations (only_row, newest) VALUES (1, 0);

CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY,
    metageneration INTEGER NOT NULL,
    fields TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `name` compares by its UTF-8 bytes, which is the order Cloud Storage lists in. `file` is a name in the objects folder.
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL REFERENCES buckets (name),
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    metageneration INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    md5 TEXT,
    crc32c TEXT NOT NULL,
    component_count INTEGER,
    file TEXT NOT NULL,
    fields TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (bucket, name)
) STRICT, WITHOUT ROWID;

-- Resumable uploads. `result` holds the object resource once the upload is complete, so that a client whose answer got
-- lost still learns how it ended.
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY,
    bucket TEXT NOT NULL,
    name TEXT NOT NULL,
    draft TEXT NOT NULL,
    conditions TEXT NOT NULL,
    file TEXT NOT NULL,
    result TEXT,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS notifications (
    bucket TEXT NOT NULL REFERENCES buckets (name) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    topic TEXT NOT NULL,
    payload_format TEXT NOT NULL,
    event_types TEXT NOT NULL,
    object_name_prefix TEXT NOT NULL,
    custom_attributes TEXT NOT NULL,
    PRIMARY KEY (bucket, id)
) STRICT, WITHOUT ROWID;

-- What is still to be published. A row is written in the transaction that made the event true and leaves after the bus
-- has taken the message.
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    data BLOB NOT NULL,
    attributes TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (due_at, id);
