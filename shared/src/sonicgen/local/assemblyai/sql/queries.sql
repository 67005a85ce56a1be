-- name: insert_upload
INSERT INTO uploads (id, sha256, size_bytes, created_at) VALUES (:id, :sha256, :size_bytes, :now);

-- name: find_upload
SELECT * FROM uploads WHERE id = :id;

-- name: list_upload_ids
SELECT id FROM uploads;

-- name: delete_old_uploads
DELETE FROM uploads WHERE created_at < :before
AND NOT EXISTS (
    SELECT 1 FROM transcripts
    WHERE transcripts.status IN ('queued', 'processing') AND transcripts.audio_url LIKE '%/upload/' || uploads.id
);

-- name: delete_idle_upload
DELETE FROM uploads WHERE id = :id
AND NOT EXISTS (
    SELECT 1 FROM transcripts
    WHERE transcripts.status IN ('queued', 'processing') AND transcripts.audio_url LIKE '%/upload/' || :id
);

-- name: insert_transcript
INSERT INTO transcripts (id, status, audio_url, request, due_at, created_at)
VALUES (:id, 'queued', :audio_url, :request, :due_at, :now);

-- name: find_transcript
SELECT * FROM transcripts WHERE id = :id;

-- name: list_transcripts
-- Newest first; the page after `after_id` is the oldest of those that are newer.
SELECT * FROM (
    SELECT * FROM transcripts
    WHERE (:before_id IS NULL OR number < (SELECT number FROM transcripts WHERE id = :before_id))
    AND (:after_id IS NULL OR number > (SELECT number FROM transcripts WHERE id = :after_id))
    AND (:status IS NULL OR status = :status)
    AND (:created_on IS NULL OR date(created_at, 'unixepoch') = :created_on)
    ORDER BY CASE WHEN :after_id IS NULL THEN -number ELSE number END
    LIMIT :most
) ORDER BY number DESC;

-- name: has_older
SELECT 1 FROM transcripts WHERE number < (SELECT number FROM transcripts WHERE id = :id) LIMIT 1;

-- name: has_newer
SELECT 1 FROM transcripts WHERE number > (SELECT number FROM transcripts WHERE id = :id) LIMIT 1;

-- name: take_job
UPDATE transcripts SET status = 'processing', tries = tries + 1
WHERE number = (SELECT number FROM transcripts WHERE status = 'queued' AND due_at <= :now ORDER BY number LIMIT 1)
RETURNING *;

-- name: next_job_due
SELECT min(due_at) AS due_at FROM transcripts WHERE status = 'queued';

-- name: give_back_jobs
-- What was being worked on when the server ended.
UPDATE transcripts SET status = 'queued' WHERE status = 'processing';

-- name: give_back_job
UPDATE transcripts SET status = 'queued' WHERE id = :id AND status = 'processing';

-- name: put_off_job
UPDATE transcripts SET status = 'queued', due_at = :due_at, tries = tries - 1 WHERE id = :id;

-- name: finish_job
UPDATE transcripts SET status = :status, result = :result, completed_at = :now
WHERE id = :id AND status = 'processing';

-- name: forget_transcript
UPDATE transcripts
SET status = CASE WHEN status = 'error' THEN 'error' ELSE 'completed' END,
    result = :result, audio_url = 'http://deleted_by_user', request = '{}', completed_at = coalesce(completed_at, :now)
WHERE id = :id;

-- name: insert_call
INSERT INTO calls (transcript_id, due_at) VALUES (:transcript_id, :due_at);

-- name: list_due_calls
SELECT * FROM calls WHERE due_at <= :now ORDER BY due_at, id LIMIT 64;

-- name: next_call_due
SELECT min(due_at) AS due_at FROM calls;

-- name: put_off_call
UPDATE calls SET tries = tries + 1, due_at = :due_at WHERE id = :id;

-- name: delete_call
DELETE FROM calls WHERE id = :id;

-- name: set_webhook_code
UPDATE transcripts SET webhook_status_code = :code WHERE id = :id;

-- name: insert_fault
INSERT INTO faults (place, fault, times) VALUES (:place, :fault, :times);

-- name: list_faults
SELECT * FROM faults ORDER BY id;

-- name: take_fault
UPDATE faults SET times = times - 1
WHERE id = (SELECT id FROM faults WHERE place = :place AND times > 0 ORDER BY id LIMIT 1)
RETURNING fault;

-- name: delete_used_faults
DELETE FROM faults WHERE times <= 0;

-- name: delete_faults
DELETE FROM faults;

-- name: put_answer
INSERT INTO answers (sha256, answer) VALUES (:sha256, :answer)
ON CONFLICT (sha256) DO UPDATE SET answer = excluded.answer;

-- name: find_answer
SELECT answer FROM answers WHERE sha256 IN (:sha256, 'default') ORDER BY sha256 = 'default' LIMIT 1;

-- name: delete_answers
DELETE FROM answers;
