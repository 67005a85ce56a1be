-- name: begin
insert into idempotent_requests (owner, key, request_hash) values (%(owner)s, %(key)s, %(request_hash)s)
on conflict (owner, key) do update
    -- A day later a key may be used anew; what was at work for ten minutes lost its worker.
    set request_hash = excluded.request_hash, status = null, body = null, created_at = clock_timestamp()
    where idempotent_requests.created_at < clock_timestamp() - interval '1 day'
       or (idempotent_requests.status is null
           and idempotent_requests.created_at < clock_timestamp() - interval '10 minutes')
returning owner;

-- name: look
select request_hash, status, body from idempotent_requests where owner = %(owner)s and key = %(key)s;

-- name: end
update idempotent_requests set status = %(status)s, body = %(body)s where owner = %(owner)s and key = %(key)s;

-- name: give_up
delete from idempotent_requests where owner = %(owner)s and key = %(key)s and status is null;

-- name: sweep
delete from idempotent_requests where created_at < clock_timestamp() - interval '1 day';
