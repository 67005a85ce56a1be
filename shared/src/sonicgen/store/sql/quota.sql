-- name: reserve
select is_granted, units, resets_at
from reserve_quota(%(service)s, %(units)s, %(limit)s, coalesce(%(at)s::timestamptz, clock_timestamp()));

-- name: exhaust
insert into quota_ledger as q (service, day, units, unit_limit, is_exhausted)
values (%(service)s, quota_day(coalesce(%(at)s::timestamptz, clock_timestamp())), 0, %(limit)s, true)
on conflict (service, day) do update set is_exhausted = true, updated_at = clock_timestamp()
returning (q.day + 1)::timestamp at time zone 'America/Los_Angeles' as resets_at;

-- name: today
select coalesce(q.units, 0) as units, coalesce(q.unit_limit, %(limit)s) as unit_limit,
       coalesce(q.is_exhausted, false) as is_exhausted,
       (d.day + 1)::timestamp at time zone 'America/Los_Angeles' as resets_at
from (select quota_day(coalesce(%(at)s::timestamptz, clock_timestamp())) as day) d
left join quota_ledger q on q.service = %(service)s and q.day = d.day;
