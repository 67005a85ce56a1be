-- name: add
insert into webhooks (url, secret, events) values (%(url)s, %(secret)s, %(events)s::text[]) returning *;

-- name: list
select * from webhooks order by created_at, id;

-- name: remove
delete from webhooks where id = %(id)s returning id;

-- name: enqueue
insert into webhook_deliveries (webhook_id, event_id, event, body)
select w.id, %(event_id)s, %(event)s, %(body)s
from webhooks w
where w.disabled_at is null and %(event)s = any(w.events)
on conflict (webhook_id, event_id) do nothing;

-- name: take_due
-- A delivery is taken for a minute: whoever dies with it leaves it to the next.
update webhook_deliveries d set next_attempt_at = clock_timestamp() + interval '1 minute', attempts = d.attempts + 1
from webhooks w
where w.id = d.webhook_id and d.id in (
    select id from webhook_deliveries where next_attempt_at <= clock_timestamp()
    order by next_attempt_at limit %(limit)s for update skip locked
)
returning d.*, w.url, w.secret;

-- name: note
update webhook_deliveries set
    last_answer = %(answer)s,
    delivered_at = case when %(is_delivered)s then clock_timestamp() end,
    next_attempt_at = case
        when %(is_delivered)s or %(wait_seconds)s::double precision is null then null
        else clock_timestamp() + make_interval(secs => %(wait_seconds)s)
    end
where id = %(id)s;

-- name: deliveries
select * from webhook_deliveries where webhook_id = %(webhook_id)s order by created_at desc, id desc limit %(limit)s;

-- name: sweep
delete from webhook_deliveries where next_attempt_at is null and created_at < clock_timestamp() - interval '30 days';
