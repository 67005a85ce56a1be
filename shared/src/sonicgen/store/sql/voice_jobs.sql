-- name: create
insert into voice_jobs (
    id, kind, owner, input_object, input_name, exports_segments, num_speakers_wanted, least_probability
) values (
    %(id)s, %(kind)s, %(owner)s, %(input_object)s, %(input_name)s, %(exports_segments)s, %(num_speakers_wanted)s,
    %(least_probability)s
)
returning *;

-- name: get
select * from voice_jobs where id = %(id)s and (%(owner)s::text is null or owner = %(owner)s);

-- name: list
select * from voice_jobs
where %(owner)s::text is null or owner = %(owner)s
order by created_at desc, id desc
limit %(limit)s offset %(offset)s;

-- name: segments
select g.*, s.name from voice_segments g left join speakers s on s.id = g.speaker_id
where g.job_id = %(job_id)s
order by g.position;

-- name: start
update voice_jobs set status = 'RUNNING', attempts = attempts + 1, started_at = clock_timestamp()
where id = %(id)s and status in ('PENDING', 'RUNNING')
returning *;

-- name: finish
update voice_jobs set
    status = 'DONE', error = null, duration_seconds = %(duration_seconds)s, num_speakers = %(num_speakers)s,
    diarizer = %(diarizer)s, model = %(model)s, thresholds = %(thresholds)s, completed_at = clock_timestamp()
where id = %(id)s and status = 'RUNNING'
returning *;

-- name: fail
update voice_jobs set status = 'FAILED', error = %(error)s, completed_at = clock_timestamp()
where id = %(id)s and status in ('PENDING', 'RUNNING')
returning *;

-- name: forget_segments
delete from voice_segments where job_id = %(job_id)s;

-- name: add_segment
insert into voice_segments (
    id, job_id, position, label, start_seconds, end_seconds, speaker_id, outcome, confidence, audio_object
) values (
    %(id)s, %(job_id)s, %(position)s, %(label)s, %(start_seconds)s, %(end_seconds)s,
    (select id from speakers where id = %(speaker_id)s), %(outcome)s, %(confidence)s, %(audio_object)s
);

-- name: forget_audio
-- Of a speaker; the objects are the caller's.
with had as (
    select id, audio_object from voice_segments where speaker_id = %(speaker_id)s and audio_object is not null for update
)
update voice_segments g set audio_object = null from had where g.id = had.id returning had.audio_object;

-- name: stale
select * from voice_jobs
where status in ('PENDING', 'RUNNING')
  and coalesce(started_at, created_at) < clock_timestamp() - make_interval(secs => %(older_than_seconds)s)
order by created_at
limit %(limit)s;

-- name: expired
select * from voice_jobs
where completed_at < clock_timestamp() - make_interval(days => %(days)s)
order by completed_at
limit %(limit)s;

-- name: delete
delete from voice_jobs where id = %(id)s;
