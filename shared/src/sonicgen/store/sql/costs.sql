-- name: book
insert into cost_ledger (
    key, day, video_id, title, channel_id, kind, seconds, price_per_hour, amount, currency, provider
)
select %(key)s, %(day)s, v.id, v.title, v.channel_id, %(kind)s, %(seconds)s, %(price_per_hour)s, %(amount)s,
       %(currency)s, %(provider)s
from videos v
where v.id = %(video_id)s
on conflict (key) do update set
    seconds = excluded.seconds, amount = excluded.amount, price_per_hour = excluded.price_per_hour
where cost_ledger.kind <> 'transcribed';

-- name: by_recording
select c.video_id::text as key, max(c.title) as title, c.currency,
       sum(c.seconds) filter (where c.kind = 'transcribed') as transcribed_seconds,
       sum(c.seconds) filter (where c.kind = 'inherited') as inherited_seconds,
       sum(c.seconds) filter (where c.kind = 'omitted') as omitted_seconds,
       sum(c.amount) filter (where c.kind = 'transcribed') as spent,
       sum(c.amount) filter (where c.kind <> 'transcribed') as saved
from cost_ledger c
where c.day between %(first_day)s and %(last_day)s
group by c.video_id, c.currency
order by min(c.id);

-- name: by_channel
select coalesce(c.channel_id, '') as key, coalesce(max(h.title), '') as title, c.currency,
       sum(c.seconds) filter (where c.kind = 'transcribed') as transcribed_seconds,
       sum(c.seconds) filter (where c.kind = 'inherited') as inherited_seconds,
       sum(c.seconds) filter (where c.kind = 'omitted') as omitted_seconds,
       sum(c.amount) filter (where c.kind = 'transcribed') as spent,
       sum(c.amount) filter (where c.kind <> 'transcribed') as saved
from cost_ledger c
left join channels h on h.id = c.channel_id
where c.day between %(first_day)s and %(last_day)s
group by c.channel_id, c.currency
order by 1, 3;

-- name: by_day
select c.day::text as key, '' as title, c.currency,
       sum(c.seconds) filter (where c.kind = 'transcribed') as transcribed_seconds,
       sum(c.seconds) filter (where c.kind = 'inherited') as inherited_seconds,
       sum(c.seconds) filter (where c.kind = 'omitted') as omitted_seconds,
       sum(c.amount) filter (where c.kind = 'transcribed') as spent,
       sum(c.amount) filter (where c.kind <> 'transcribed') as saved
from cost_ledger c
where c.day between %(first_day)s and %(last_day)s
group by c.day, c.currency
order by 1, 3;
