-- name: take_generation
-- Strictly rising even when the clock goes back.
UPDATE generations SET newest = max(newest + 1, :now) RETURNING newest;

-- name: insert_bucket
INSERT INTO buckets (name, metageneration, fields, created_at, updated_at) VALUES (:name, 1, :fields, :now, :now)
ON CONFLICT (name) DO NOTHING;

-- name: find_bucket
SELECT * FROM buckets WHERE name = :name;

-- name: list_buckets
SELECT * FROM buckets WHERE name > :after AND name >= :prefix AND (:bound IS NULL OR name < :bound)
ORDER BY name LIMIT :most;

-- name: update_bucket
UPDATE buckets SET fields = :fields, metageneration = metageneration + 1, updated_at = :now WHERE name = :name;

-- name: bucket_holds_objects
SELECT 1 FROM objects WHERE bucket = :name LIMIT 1;

-- name: delete_bucket
DELETE FROM buckets WHERE name = :name;

-- name: find_object
SELECT * FROM objects WHERE bucket = :bucket AND name = :name;

-- name: put_object
INSERT OR REPLACE INTO objects (bucket, name, generation, metageneration, size_bytes, md5, crc32c, component_count, file,
                                fields, created_at, updated_at)
VALUES (:bucket, :name, :generation, :metageneration, :size_bytes, :md5, :crc32c, :component_count, :file,
        :fields, :created_at, :updated_at);

-- name: delete_object
DELETE FROM objects WHERE bucket = :bucket AND name = :name;

-- name: list_objects
SELECT * FROM objects
WHERE bucket = :bucket AND name >= :first AND (:bound IS NULL OR name < :bound)
ORDER BY name LIMIT :most;

-- name: list_object_files
SELECT file FROM objects;

-- name: insert_upload
INSERT INTO uploads (id, bucket, name, draft, conditions, file, created_at)
VALUES (:id, :bucket, :name, :draft, :conditions, :file, :now);

-- name: find_upload
SELECT * FROM uploads WHERE id = :id;

-- name: finish_upload
UPDATE uploads SET result = :result WHERE id = :id;

-- name: delete_upload
DELETE FROM uploads WHERE id = :id;

-- name: delete_old_uploads
DELETE FROM uploads WHERE created_at < :before;

-- name: list_upload_files
SELECT file FROM uploads WHERE result IS NULL;

-- name: insert_notification
INSERT INTO notifications (bucket, id, topic, payload_format, event_types, object_name_prefix, custom_attributes)
SELECT :bucket, coalesce(max(id), 0) + 1, :topic, :payload_format, :event_types, :object_name_prefix, :custom_attributes
FROM notifications WHERE bucket = :bucket
RETURNING *;

-- name: find_notification
SELECT * FROM notifications WHERE bucket = :bucket AND id = :id;

-- name: list_notifications
SELECT * FROM notifications WHERE bucket = :bucket ORDER BY id;

-- name: delete_notification
DELETE FROM notifications WHERE bucket = :bucket AND id = :id;

-- name: insert_outgoing
INSERT INTO outbox (topic, data, attributes) VALUES (:topic, :data, :attributes);

-- name: list_outgoing
SELECT * FROM outbox WHERE due_at <= :now ORDER BY due_at, id LIMIT :most;

-- name: next_outgoing
SELECT min(due_at) AS due_at FROM outbox;

-- name: postpone_outgoing
UPDATE outbox SET attempts = attempts + 1, due_at = :due_at WHERE id = :id;

-- name: delete_outgoing
DELETE FROM outbox WHERE id = :id;
