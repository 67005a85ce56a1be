-- name: begin
-- The same source is the same backfill: it goes on. One that was done is listed again; unless it runs, what had failed is
-- tried again.
insert into backfills (
    id, kind, source, takes_all, recordings_per_minute, hours_per_minute, most_files, most_hours, most_cost,
    price_per_hour, novel_price_per_hour, currency
) values (
    %(id)s, %(kind)s, %(source)s, %(takes_all)s, %(recordings_per_minute)s, %(hours_per_minute)s, %(most_files)s,
    %(most_hours)s, %(most_cost)s, %(price_per_hour)s, %(novel_price_per_hour)s, %(currency)s
)
on conflict (id) do update set
    state = 'running',
    reason = null,
    finished_at = null,
    takes_all = excluded.takes_all,
    recordings_per_minute = excluded.recordings_per_minute,
    hours_per_minute = excluded.hours_per_minute,
    most_files = excluded.most_files,
    most_hours = excluded.most_hours,
    most_cost = excluded.most_cost,
    price_per_hour = excluded.price_per_hour,
    novel_price_per_hour = excluded.novel_price_per_hour,
    currency = excluded.currency,
    next_at = clock_timestamp(),
    is_listed = backfills.is_listed and backfills.state <> 'done',
    listed_after = case when backfills.state = 'done' then null else backfills.listed_after end,
    failed = case when backfills.state = 'running' then backfills.failed else 0 end,
    updated_at = clock_timestamp()
returning *;

-- name: retry_failed
update backfill_items set state = 'waiting', attempts = 0, not_before = null, claimed_by = null, claimed_until = null
where backfill_id = %(id)s and state = 'failed';

-- name: get
select * from backfills where id = %(id)s;

-- name: lock
select *, extract(epoch from next_at - clock_timestamp())::double precision as wait_seconds
from backfills where id = %(id)s for update;

-- name: all
select * from backfills order by updated_at desc limit %(limit)s;

-- name: lock_listing
select pg_try_advisory_xact_lock(hashtextextended(%(id)s::text, 7236837004)) as is_ours;

-- name: add_items
insert into backfill_items (backfill_id, address)
select %(id)s, a from unnest(%(addresses)s::text[]) with ordinality as u (a, place) order by place
on conflict (backfill_id, address) do nothing;

-- name: reopen_items
-- Recordings that are listed have an older fingerprint, whatever was done with them before.
with ended as (
    select backfill_id, position, state from backfill_items
    where backfill_id = %(id)s and address = any(%(addresses)s::text[]) and state <> 'waiting'
    for update
)
update backfill_items i
set state = 'waiting', attempts = 0, outcome = null, detail = null, claimed_by = null, claimed_until = null,
    not_before = null, finished_at = null
from ended e
where i.backfill_id = e.backfill_id and i.position = e.position
returning e.state;

-- name: move_listing
update backfills set listed_after = %(listed_after)s, is_listed = %(is_listed)s, listed = listed + %(added)s,
    updated_at = clock_timestamp()
where id = %(id)s;

-- name: reopened
update backfills set known = known - %(known)s, done = done - %(done)s, failed = failed - %(failed)s
where id = %(id)s;

-- name: under_way
select count(*) as under_way from backfill_items
where backfill_id = %(id)s and state = 'waiting' and claimed_by is not null and claimed_until > clock_timestamp();

-- name: next_own
select position, address, attempts, detail from backfill_items
where backfill_id = %(id)s and state = 'waiting' and position %% %(shards)s = %(shard)s
  and (claimed_until is null or claimed_until <= clock_timestamp())
  and (not_before is null or not_before <= clock_timestamp())
order by position limit 1;

-- name: next_any
select position, address, attempts, detail from backfill_items
where backfill_id = %(id)s and state = 'waiting'
  and (claimed_until is null or claimed_until <= clock_timestamp())
  and (not_before is null or not_before <= clock_timestamp())
order by position limit 1;

-- name: has_waiting
select exists (select from backfill_items where backfill_id = %(id)s and state = 'waiting') as has_waiting;

-- name: has_local
select exists (
    select from backfill_items where backfill_id = %(id)s and state = 'waiting' and address like '/%%'
) as has_local;

-- name: claim
update backfill_items set claimed_by = %(worker)s, attempts = attempts + 1,
    claimed_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
where backfill_id = %(id)s and position = %(position)s;

-- name: pace
update backfills set next_at = greatest(next_at, clock_timestamp()) + make_interval(secs => %(seconds)s)
where id = %(id)s;

-- name: unpace
update backfills set next_at = next_at - make_interval(secs => %(seconds)s) where id = %(id)s;

-- name: keep
update backfill_items set claimed_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
where backfill_id = %(id)s and claimed_by = %(worker)s and state = 'waiting' and claimed_until is not null;

-- name: free
-- A worker that starts under the name of one that died.
update backfill_items set claimed_by = null, claimed_until = null
where backfill_id = %(id)s and claimed_by = %(worker)s and state = 'waiting';

-- name: finish_item
update backfill_items set state = %(state)s, outcome = %(outcome)s, detail = %(detail)s,
    recording_id = %(recording_id)s, seconds = %(seconds)s, claimed_by = null, claimed_until = null,
    finished_at = clock_timestamp()
where backfill_id = %(id)s and position = %(position)s and state = 'waiting'
returning position;

-- name: count
update backfills set
    known = known + (%(state)s = 'known')::integer,
    done = done + (%(state)s = 'done')::integer,
    failed = failed + (%(state)s = 'failed')::integer,
    seconds = seconds + %(seconds)s,
    cost = cost + %(cost)s,
    updated_at = clock_timestamp()
where id = %(id)s;

-- name: rest_item
update backfill_items set claimed_by = null, claimed_until = null, detail = %(detail)s,
    attempts = attempts - %(refund)s, not_before = clock_timestamp() + make_interval(secs => %(rest_seconds)s)
where backfill_id = %(id)s and position = %(position)s and state = 'waiting';

-- name: end
update backfills set state = %(state)s, reason = %(reason)s, updated_at = clock_timestamp(),
    finished_at = case when %(state)s = 'done' then clock_timestamp() end
where id = %(id)s and state = 'running'
returning *;

-- name: failures
select address, outcome, detail from backfill_items
where backfill_id = %(id)s and state = 'failed' order by position limit %(limit)s;

-- name: outcomes
select outcome, count(*) as count from backfill_items
where backfill_id = %(id)s and state in ('done', 'failed') group by outcome order by outcome;
