-- name: take
-- The row lock of the upsert decides between instances that ask at once. No row comes back when the limit is reached.
insert into rate_limits as r (subject, used_until)
values (%(subject)s, clock_timestamp() + make_interval(secs => %(step_seconds)s))
on conflict (subject) do update
    set used_until = greatest(r.used_until, clock_timestamp()) + make_interval(secs => %(step_seconds)s)
    -- A millisecond of grace: the steps of a full hour do not add up to it exactly.
    where greatest(r.used_until, clock_timestamp()) + make_interval(secs => %(step_seconds)s)
        <= clock_timestamp() + make_interval(secs => %(period_seconds)s + 0.001)
returning extract(epoch from used_until - clock_timestamp())::double precision as ahead_seconds;

-- name: look
select extract(epoch from used_until - clock_timestamp())::double precision as ahead_seconds
from rate_limits where subject = %(subject)s and used_until > clock_timestamp();

-- name: sweep
delete from rate_limits where used_until < clock_timestamp();
