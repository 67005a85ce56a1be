-- name: newest
-- Each page asks for the ids in one order, then for the details of those few.
select v.* from videos v
where (%(status)s::text is null or v.match_status is not distinct from nullif(%(status)s, 'waiting'))
  and (%(channel)s::text is null or v.channel_id = %(channel)s)
  and (%(text)s::text is null or v.title ilike %(text)s)
  and (%(kind)s::text is null or (v.original_video_id is not null) = (%(kind)s = 'copies'))
  and (%(after_key)s::timestamptz is null or (v.created_at, v.id) < (%(after_key)s, %(after_id)s))
order by v.created_at desc, v.id desc
limit %(limit)s;

-- name: oldest
select v.* from videos v
where (%(status)s::text is null or v.match_status is not distinct from nullif(%(status)s, 'waiting'))
  and (%(channel)s::text is null or v.channel_id = %(channel)s)
  and (%(text)s::text is null or v.title ilike %(text)s)
  and (%(kind)s::text is null or (v.original_video_id is not null) = (%(kind)s = 'copies'))
  and (%(after_key)s::timestamptz is null or (v.created_at, v.id) > (%(after_key)s, %(after_id)s))
order by v.created_at, v.id
limit %(limit)s;

-- name: title
select v.* from videos v
where (%(status)s::text is null or v.match_status is not distinct from nullif(%(status)s, 'waiting'))
  and (%(channel)s::text is null or v.channel_id = %(channel)s)
  and (%(text)s::text is null or v.title ilike %(text)s)
  and (%(kind)s::text is null or (v.original_video_id is not null) = (%(kind)s = 'copies'))
  and (%(after_key)s::text is null or (lower(v.title), v.id) > (lower(%(after_key)s), %(after_id)s))
order by lower(v.title), v.id
limit %(limit)s;

-- name: longest
select v.* from videos v
where (%(status)s::text is null or v.match_status is not distinct from nullif(%(status)s, 'waiting'))
  and (%(channel)s::text is null or v.channel_id = %(channel)s)
  and (%(text)s::text is null or v.title ilike %(text)s)
  and (%(kind)s::text is null or (v.original_video_id is not null) = (%(kind)s = 'copies'))
  and (%(after_key)s::double precision is null
       or (coalesce(v.duration_seconds, -1), v.id) < (%(after_key)s, %(after_id)s))
order by coalesce(v.duration_seconds, -1) desc, v.id desc
limit %(limit)s;

-- name: details
select v.id, o.title as original_title, h.title as channel_title,
       t.state as transcript_state, t.language,
       (select count(*) from videos c where c.original_video_id = v.id) as copies,
       (select count(distinct u.speaker) from utterances u where u.video_id = v.id) as speakers,
       (select sum(c.amount) from cost_ledger c where c.video_id = v.id and c.kind = 'transcribed') as spent,
       (select sum(c.amount) from cost_ledger c where c.video_id = v.id and c.kind <> 'transcribed') as saved,
       (select max(c.currency) from cost_ledger c where c.video_id = v.id) as currency
from videos v
left join videos o on o.id = v.original_video_id
left join channels h on h.id = v.channel_id
left join transcripts t on t.video_id = v.id
where v.id = any(%(ids)s::uuid[]);
