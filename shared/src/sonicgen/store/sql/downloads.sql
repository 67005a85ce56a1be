-- name: ensure
-- A video that was forgotten has no download. What a download was told before stays, but for a link that moved.
insert into downloads (video_id, url, state, address_host, source_id)
select v.id, %(url)s, 'queued', %(address_host)s, s.id
from videos v
left join sources s on s.id = %(source_id)s
where v.id = %(video_id)s
on conflict (video_id) do update set url = excluded.url, address_host = excluded.address_host
returning *;

-- name: start
update downloads set
    state = 'running', attempts = attempts + 1, next_attempt_at = null, started_at = clock_timestamp(),
    finished_at = null
where video_id = %(video_id)s and state <> 'stored'
returning *;

-- name: store
update downloads set
    state = 'stored', reason = %(reason)s, reason_detail = null, failures = 0, next_attempt_at = null,
    bytes = %(bytes)s, object_name = %(object_name)s, finished_at = clock_timestamp()
where video_id = %(video_id)s
returning *;

-- name: describe
-- What the download learned, where nothing better is known; a link stood in the title's place until now.
update videos set
    title = case when title in ('', source_uri) and %(title)s <> '' then %(title)s else title end,
    duration_seconds = coalesce(duration_seconds, %(duration_seconds)s),
    published_at = coalesce(published_at, %(published_at)s)
where id = %(video_id)s;

-- name: end
update downloads set
    state = %(state)s, reason = %(reason)s, reason_detail = %(detail)s, failures = %(failures)s,
    next_attempt_at = %(next_attempt_at)s, finished_at = clock_timestamp()
where video_id = %(video_id)s
returning *;

-- name: hand_over
update downloads set reason = 'long', reason_detail = null, failures = 0, state = 'running'
where video_id = %(video_id)s
returning *;

-- name: get
select * from downloads where video_id = %(video_id)s;

-- name: of_videos
select * from downloads where video_id = any(%(video_ids)s::uuid[]);

-- name: take_due
-- Each due download once, whoever else asks; those too whose event or worker got lost. The next round is their new event.
with due as (
    select video_id from downloads
    where (state = 'waiting' and next_attempt_at <= %(at)s)
       or (state in ('queued', 'running') and updated_at < %(lost_before)s)
    order by next_attempt_at nulls last, video_id
    limit %(limit)s
    for update skip locked
)
update downloads d set
    state = 'queued', round = round + 1, next_attempt_at = null
from due, videos v
where d.video_id = due.video_id and v.id = d.video_id
returning d.*, v.title, v.youtube_id, v.duration_seconds, v.published_at;

-- name: take_failed
with chosen as (
    select video_id from downloads
    where state = any(%(states)s) and (%(reason)s::text is null or reason = %(reason)s)
    order by updated_at, video_id
    limit %(limit)s
    for update skip locked
)
update downloads d set
    state = 'queued', round = round + 1, next_attempt_at = null, failures = 0
from chosen, videos v
where d.video_id = chosen.video_id and v.id = d.video_id
returning d.*, v.title, v.youtube_id, v.duration_seconds, v.published_at;

-- name: take_one
update downloads d set
    state = 'queued', round = round + 1, next_attempt_at = null, failures = 0
from videos v
where d.video_id = %(video_id)s and v.id = d.video_id and d.state in ('failed', 'skipped', 'waiting')
returning d.*, v.title, v.youtube_id, v.duration_seconds, v.published_at;

-- name: with_video
select d.*, v.title, v.youtube_id, v.duration_seconds, v.published_at
from downloads d join videos v on v.id = d.video_id
where d.video_id = %(video_id)s;

-- name: add_video
insert into videos (id, youtube_id, title, source_uri)
values (%(id)s, %(youtube_id)s, %(title)s, %(url)s)
on conflict do nothing;

-- name: counts
select state, reason, count(*) as count from downloads group by state, reason order by state, count(*) desc;
