-- name: start
insert into jobs (id, kind, owner, name, request, idempotency_key, alive_until, expires_at)
values (
    %(id)s, %(kind)s, %(owner)s, %(name)s, %(request)s, %(idempotency_key)s,
    clock_timestamp() + make_interval(secs => %(lease_seconds)s),
    clock_timestamp() + make_interval(secs => %(life_seconds)s)
)
on conflict (owner, idempotency_key) do nothing
returning *;

-- name: by_idempotency_key
select * from jobs where owner = %(owner)s and idempotency_key = %(idempotency_key)s;

-- name: get
select *, state = 'running' and alive_until < clock_timestamp() as is_lost
from jobs
where id = %(id)s and expires_at > clock_timestamp();

-- name: add_event
-- Ids count up within the job: its row is locked by the update, so that two never get the same. Nothing follows the end.
with job as (
    update jobs set alive_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
    where id = %(id)s and state = 'running'
    returning id
)
insert into job_events (job_id, id, event, data)
select job.id, 1 + coalesce((select max(e.id) from job_events e where e.job_id = job.id), 0), %(event)s, %(data)s
from job
returning id;

-- name: keep_alive
update jobs set alive_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
where id = %(id)s and state = 'running'
returning id;

-- name: finish
update jobs set state = %(state)s, result = %(result)s, problem = %(problem)s, finished_at = clock_timestamp()
where id = %(id)s and state = 'running'
returning *, false as is_lost;

-- name: events_after
select id, event, data from job_events where job_id = %(id)s and id > %(after)s order by id;

-- name: newest
select *, state = 'running' and alive_until < clock_timestamp() as is_lost
from jobs
where expires_at > clock_timestamp()
  and (%(owner)s::text is null or owner = %(owner)s)
  and (%(state)s::text is null or state = %(state)s)
  and (%(after_time)s::timestamptz is null or (created_at, id) < (%(after_time)s, %(after_id)s))
order by created_at desc, id desc
limit %(limit)s;

-- name: sweep
delete from jobs where expires_at < clock_timestamp();
