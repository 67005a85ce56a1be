-- name: get
select * from sources where id = %(id)s;

-- name: lock
select *, updated_at < clock_timestamp() - interval '10 minutes' as is_old from sources where id = %(id)s for update;

-- name: find_by_channel
select * from sources
where kind = 'channel' and channel_id = %(channel_id)s and same_as is null and id <> %(not_id)s
order by created_at, id
limit 1;

-- name: find_by_id_range
select * from sources where id between %(low)s and %(high)s order by id limit %(limit)s;

-- name: find_by_address
select * from sources where address = %(address)s order by created_at limit %(limit)s;

-- name: list
select * from sources order by created_at desc, id desc limit %(limit)s;

-- name: ensure
insert into sources (id, kind, address, filters, poll_every_seconds)
values (%(id)s, %(kind)s, %(address)s, %(filters)s, %(poll_every_seconds)s)
on conflict do nothing;

-- name: begin
-- From the first page unless a page is left to go on with. The next look, an hour on, is the watchman: it is moved when
-- the reading ends, and finds the source when the reading dies and its message with it.
update sources set
    state = 'active', reason = 'reading', reason_detail = null,
    filters = %(filters)s,
    is_watched = is_watched or %(watch)s,
    poll_every_seconds = coalesce(%(poll_every_seconds)s, poll_every_seconds),
    next_poll_at = clock_timestamp() + interval '1 hour',
    read_number = read_number + 1,
    page_token = case when not %(anew)s then page_token end,
    previous_page_token = case when not %(anew)s then previous_page_token end,
    is_read = is_read and not %(anew)s,
    oldest_taken_at = case when not %(anew)s then oldest_taken_at end,
    last_seen = case when %(anew)s then '{}' else last_seen end,
    read_started_at = case when %(anew)s or page_token is null then clock_timestamp() else read_started_at end,
    discovered = case when %(anew)s or page_token is null then 0 else discovered end,
    taken = case when %(anew)s or page_token is null then 0 else taken end,
    filtered = case when %(anew)s or page_token is null then 0 else filtered end,
    pages = case when %(anew)s or page_token is null then 0 else pages end,
    units = case when %(anew)s or page_token is null then 0 else units end
where id = %(id)s
returning *;

-- name: forget_filtered
delete from source_items where source_id = %(id)s and outcome = 'filtered';

-- name: set_identity
update sources set
    channel_id = coalesce(%(channel_id)s, channel_id), title = coalesce(%(title)s, title),
    uploads_playlist_id = coalesce(%(uploads_playlist_id)s, uploads_playlist_id)
where id = %(id)s and read_number = %(read_number)s
returning *;

-- name: set_same_as
update sources set
    same_as = %(same_as)s, state = 'done', reason = 'same_as', reason_detail = null, is_watched = false,
    next_poll_at = null, channel_id = %(channel_id)s, title = %(title)s
where id = %(id)s;

-- name: move_on
-- Only the newest reading may move its source.
update sources set
    previous_page_token = page_token,
    page_token = %(page_token)s,
    oldest_taken_at = coalesce(%(oldest_taken_at)s, oldest_taken_at),
    last_seen = last_seen || %(last_seen)s::jsonb,
    discovered = discovered + %(discovered)s,
    taken = taken + %(taken)s,
    filtered = filtered + %(filtered)s,
    pages = pages + %(pages)s,
    units = units + %(units)s,
    next_poll_at = clock_timestamp() + interval '1 hour'
where id = %(id)s and read_number = %(read_number)s
returning *;

-- name: add_counts
update sources set
    discovered = discovered + %(discovered)s, taken = taken + %(taken)s, filtered = filtered + %(filtered)s,
    units = units + %(units)s
where id = %(id)s;

-- name: look_again
update sources set next_poll_at = %(at)s where id = %(id)s and is_watched;

-- name: finish
update sources set
    state = case when is_watched then 'active' else 'done' end,
    reason = case
        when is_watched then 'watched'
        when exists (select from source_items i where i.source_id = sources.id) then 'read'
        else 'empty'
    end,
    reason_detail = null,
    is_read = true, page_token = null, previous_page_token = null,
    last_seen = last_seen || %(last_seen)s::jsonb,
    units = units + %(units)s,
    next_poll_at = case when is_watched then clock_timestamp() + make_interval(secs => poll_every_seconds) end
where id = %(id)s and read_number = %(read_number)s
returning *;

-- name: fail
-- A watched source is looked at again: what failed may be repaired.
update sources set
    state = 'failed', reason = %(reason)s, reason_detail = %(detail)s,
    units = units + %(units)s,
    next_poll_at = case when is_watched then clock_timestamp() + make_interval(secs => poll_every_seconds) end
where id = %(id)s and read_number = %(read_number)s
returning *;

-- name: pause
update sources set
    state = 'paused_quota', reason = 'quota', reason_detail = %(detail)s,
    units = units + %(units)s,
    next_poll_at = %(until)s
where id = %(id)s and read_number = %(read_number)s
returning *;

-- name: note
update sources set reason_detail = %(detail)s, units = units + %(units)s
where id = %(id)s and read_number = %(read_number)s;

-- name: stop
-- The number moves on, so that a reading that is under way ends.
update sources set
    state = 'done', reason = 'stopped', reason_detail = null, is_watched = false, next_poll_at = null,
    read_number = read_number + 1, page_token = null, previous_page_token = null
where id = %(id)s
returning *;

-- name: take_due
-- Each due source once, whoever else asks at the same time; when it is not read after all, an hour later again.
with due as (
    select id, next_poll_at from sources
    where next_poll_at <= coalesce(%(at)s::timestamptz, clock_timestamp())
    order by next_poll_at, id
    limit %(limit)s
    for update skip locked
)
update sources s set next_poll_at = coalesce(%(at)s::timestamptz, clock_timestamp()) + interval '1 hour'
from due d
where s.id = d.id
returning s.*, d.next_poll_at as due_at;

-- name: ask_websub
update sources set
    websub_hub = %(hub)s, websub_topic = %(topic)s, websub_secret = coalesce(websub_secret, %(secret)s),
    websub_state = case when websub_state = 'verified' then 'verified' else 'asked' end
where id = %(id)s
returning *;

-- name: set_websub
update sources set
    websub_state = %(state)s, websub_lease_expires_at = %(expires_at)s
where id = %(id)s
returning *;

-- name: websub_due
-- Leases that end within a day, and requests that were not answered within an hour.
select * from sources
where is_watched and websub_state is not null and same_as is null and (
    (websub_state = 'verified' and websub_lease_expires_at < clock_timestamp() + interval '1 day')
    or (websub_state in ('asked', 'failed') and updated_at < clock_timestamp() - interval '1 hour')
)
order by websub_lease_expires_at nulls first
limit %(limit)s;
