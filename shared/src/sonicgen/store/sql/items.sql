-- name: upsert_channels
insert into channels (id, title, handle, uploads_playlist_id)
select c.id, c.title, c.handle, c.uploads_playlist_id
from jsonb_to_recordset(%(channels)s::jsonb) as c (id text, title text, handle text, uploads_playlist_id text)
on conflict (id) do update set
    title = excluded.title,
    handle = coalesce(excluded.handle, channels.handle),
    uploads_playlist_id = coalesce(excluded.uploads_playlist_id, channels.uploads_playlist_id)
where (channels.title, channels.handle, channels.uploads_playlist_id) is distinct from (
    excluded.title, coalesce(excluded.handle, channels.handle),
    coalesce(excluded.uploads_playlist_id, channels.uploads_playlist_id)
);

-- name: known_items
select item, outcome, reason from source_items where source_id = %(id)s and item = any(%(items)s::text[]);

-- name: count_selected
select count(*)::integer as count from source_items where source_id = %(id)s and outcome in ('new', 'known');

-- name: add_items
-- Those that passed the filters become videos, unless they are known from elsewhere; all are kept as items.
with given as (
    select * from jsonb_to_recordset(%(items)s::jsonb) as g (
        item text, filtered_by text, id uuid, youtube_id text, channel_id text, title text, description text,
        published_at timestamptz, duration_seconds double precision, url text
    )
),
inserted as (
    insert into videos (
        id, youtube_id, channel_id, title, description, published_at, duration_seconds, source_uri
    )
    select id, youtube_id, channel_id, title, description, published_at, duration_seconds, url
    from given
    where filtered_by is null
    order by id -- all take their locks in this order
    on conflict do nothing
    returning id
)
insert into source_items as s (source_id, item, video_id, outcome, reason, is_announced)
select %(id)s, g.item,
       case when g.filtered_by is null then coalesce(i.id, k.id, g.id) end,
       case when g.filtered_by is not null then 'filtered' when i.id is not null then 'new' else 'known' end,
       g.filtered_by,
       i.id is null
from given g
left join inserted i on i.id = g.id
left join videos k on k.youtube_id = g.youtube_id and i.id is null
order by g.item
on conflict (source_id, item) do update set
    video_id = excluded.video_id, outcome = excluded.outcome, reason = excluded.reason,
    is_announced = excluded.is_announced, seen_at = clock_timestamp()
where s.reason = 'unavailable' -- what nobody could see may have become public since
returning s.outcome;

-- name: unannounced
select i.item, v.id, v.source_uri as url, v.youtube_id, v.title, v.duration_seconds, v.published_at, i.seen_at
from source_items i
join videos v on v.id = i.video_id
where i.source_id = %(id)s and not i.is_announced
order by i.seen_at, i.item
limit %(limit)s;

-- name: set_announced
update source_items set is_announced = true where source_id = %(id)s and item = any(%(items)s::text[]);

-- name: with_unannounced
-- Sources that nobody reads now and that owe events nevertheless: their reader died between its commit and its publish.
select distinct i.source_id as id from source_items i
where not i.is_announced and i.seen_at < clock_timestamp() - make_interval(secs => %(older_than_seconds)s)
limit %(limit)s;
