-- name: claim
-- The insert and the row lock of the conflict decide between workers that claim at once.
insert into videos (
    id, title, bucket, object_name, object_generation, content_type, size_bytes, content_md5, match_status, attempts,
    claimed_at
) values (
    %(id)s, %(title)s, %(bucket)s, %(object_name)s, %(generation)s, %(content_type)s, %(size_bytes)s, %(md5)s,
    'pending', 1, clock_timestamp()
)
on conflict (id) do update set
    match_status = 'pending',
    reason = null,
    reason_detail = null,
    attempts = videos.attempts + 1,
    claimed_at = clock_timestamp(),
    bucket = excluded.bucket,
    object_name = excluded.object_name,
    object_generation = excluded.object_generation,
    size_bytes = excluded.size_bytes,
    content_type = coalesce(excluded.content_type, videos.content_type),
    content_md5 = coalesce(excluded.content_md5, videos.content_md5)
where videos.match_status is null or videos.match_status = 'pending'
returning *;

-- name: ask_again
-- The attempts begin anew, or a recording that had used them up would be given up at its first failure.
update videos set
    match_status = 'pending', reason = null, reason_detail = null, attempts = 0, claimed_at = clock_timestamp()
where id = %(id)s
returning *;

-- name: get
select * from videos where id = %(id)s;

-- name: lock
select * from videos where id = %(id)s for update;

-- name: by_numbers
select * from videos where number = any(%(numbers)s::bigint[]);

-- name: by_ids
select * from videos where id = any(%(ids)s::uuid[]);

-- name: set_heard
update videos set quality = %(quality)s, judged_version = coalesce(%(version)s, judged_version) where id = %(id)s;

-- name: to_hear_anew
select id, coalesce(least(judged_version, index_version), 1) as version
from videos
where match_status in ('fingerprinted', 'matched', 'too_short')
  and coalesce(least(judged_version, index_version), 1) < %(version)s
  and (reason <> 'identical_file' or number is not null)
  and (%(after_version)s::integer is null
       or (coalesce(least(judged_version, index_version), 1), id) > (%(after_version)s, %(after_id)s))
order by coalesce(least(judged_version, index_version), 1), id
limit %(limit)s;

-- name: move_copy
update videos set original_video_id = %(original_id)s, reason_detail = %(reason_detail)s
where id = %(id)s and match_status = 'matched'
returning id;

-- name: find_by_name
select * from videos
where title = %(text)s or object_name = %(text)s or youtube_id = %(text)s
order by created_at desc, id desc
limit %(limit)s;

-- name: find_by_id_range
select * from videos where id between %(low)s and %(high)s order by id limit %(limit)s;

-- name: list_all
select * from videos
where %(after_time)s::timestamptz is null or (created_at, id) < (%(after_time)s, %(after_id)s)
order by created_at desc, id desc
limit %(limit)s;

-- name: list_by_status
select * from videos
where match_status = %(status)s
  and (%(after_time)s::timestamptz is null or (created_at, id) < (%(after_time)s, %(after_id)s))
order by created_at desc, id desc
limit %(limit)s;

-- name: find_identical
select * from videos
where content_md5 = %(md5)s and size_bytes = %(size_bytes)s and id <> %(not_id)s
  and match_status = 'fingerprinted' and number is not null
order by number
limit 1;

-- name: counts_by_status
select match_status, count(*) as count from videos group by match_status;

-- name: finish
-- Only what is fingerprinted keeps its place in the index: any other end takes the recording's number, and with it its
-- postings.
update videos set
    match_status = %(status)s,
    reason = %(reason)s,
    reason_detail = %(reason_detail)s,
    duration_seconds = coalesce(%(duration_seconds)s, duration_seconds),
    original_video_id = %(original_id)s,
    number = case when %(status)s = 'fingerprinted' then number end,
    index_version = case when %(status)s = 'fingerprinted' then index_version end,
    claimed_at = null
where id = %(id)s
returning *;

-- name: remove_peaks_outside_index
delete from recording_peaks p using videos v where v.id = p.video_id and v.id = %(id)s and v.number is null;

-- name: orphan_copies
update videos set
    match_status = 'pending', original_video_id = null, reason = null, reason_detail = null, claimed_at = null
where original_video_id = %(id)s and match_status = 'matched'
returning id;

-- name: delete
delete from videos where id = %(id)s returning id;

-- name: copies_of
select * from videos where original_video_id = %(id)s order by created_at, id;

-- name: pending_since
select * from videos
where match_status = 'pending'
  and (claimed_at is null or claimed_at < clock_timestamp() - make_interval(secs => %(older_than_seconds)s))
order by claimed_at nulls first, id
limit %(limit)s;
