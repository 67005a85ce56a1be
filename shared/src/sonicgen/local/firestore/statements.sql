-- Each statement is loaded by the name in the line above it.

-- :tables
CREATE TABLE IF NOT EXISTS documents (
    name          TEXT PRIMARY KEY,     -- projects/P/databases/D/documents/…
    collection    TEXT NOT NULL,        -- the name without its last segment
    collection_id TEXT NOT NULL,        -- the last segment of `collection`
    content       BLOB NOT NULL,        -- google.firestore.v1.Document, its fields only
    create_time   INTEGER NOT NULL,     -- microseconds since 1970
    update_time   INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS documents_by_collection ON documents (collection, name);
CREATE INDEX IF NOT EXISTS documents_by_collection_id ON documents (collection_id, name);
-- The last time given to a commit: deletions leave no row behind, yet times must go on rising.
CREATE TABLE IF NOT EXISTS clock (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), last_time INTEGER NOT NULL);
INSERT OR IGNORE INTO clock VALUES (1, 0);

-- :last_time
SELECT last_time FROM clock;

-- :set_last_time
UPDATE clock SET last_time = :time;

-- :get
SELECT name, content, create_time, update_time FROM documents WHERE name = :name;

-- :put
INSERT INTO documents (name, collection, collection_id, content, create_time, update_time)
VALUES (:name, :collection, :collection_id, :content, :create_time, :update_time)
ON CONFLICT (name) DO UPDATE SET content = excluded.content, update_time = excluded.update_time;

-- :delete
DELETE FROM documents WHERE name = :name;

-- :in_collection
SELECT name, content, create_time, update_time FROM documents WHERE collection = :collection ORDER BY name;

-- :in_group
SELECT name, content, create_time, update_time FROM documents
WHERE collection_id = :collection_id AND name >= :low AND name < :high ORDER BY name;

-- :in_subtree
SELECT name, content, create_time, update_time FROM documents WHERE name >= :low AND name < :high ORDER BY name;

-- :names_in_subtree
SELECT name FROM documents WHERE name >= :low AND name < :high ORDER BY name;
