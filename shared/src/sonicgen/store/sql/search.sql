-- name: read_query
select q.query::text as query, querytree(q.query) as needed
from (select utterance_query(%(text)s) as query) q;

-- name: ceiling
select coalesce(max(id), 0) + 1 as ceiling from utterances;

-- name: channels
select id from channels where id = %(channel)s or lower(title) = lower(%(channel)s);

-- name: videos
-- The recordings that a search is limited to.
select v.id from videos v
where (%(video_id)s::uuid is null or v.id = %(video_id)s)
  and (%(channels)s::text[] is null or v.channel_id = any (%(channels)s))
  and (%(after)s::timestamptz is null or coalesce(v.published_at, v.created_at) >= %(after)s)
  and (%(before)s::timestamptz is null or coalesce(v.published_at, v.created_at) < %(before)s)
  and exists (select from transcripts t where t.video_id = v.id);

-- name: find
select ids, reached, visited
from find_utterances(
    %(query)s::tsquery, %(videos)s::uuid[], %(speaker)s, %(ceiling)s, %(window)s, %(most_visited)s
);

-- name: page
-- Of the lines that were found, those that follow the cursor in the order of rank, date and arrival.
select p.rank, p.happened_at, p.title, p.channel_id, p.channel_title, u.*,
    ts_headline(
        utterance_config(u.language), translate(u.text, e'\x01\x02', ''), %(query)s::tsquery,
        e'HighlightAll=true, StartSel=\x01, StopSel=\x02'
    ) as marked
from (
    select r.* from (
        select f.utterance_id as id, ts_rank_cd(f.search, %(query)s::tsquery) as rank,
            coalesce(v.published_at, v.created_at) as happened_at, v.title, v.channel_id, c.title as channel_title
        from unnest(%(ids)s::bigint[]) as i (id)
        join utterance_words f on f.utterance_id = i.id
        join videos v on v.id = f.video_id
        left join channels c on c.id = v.channel_id
    ) r
    where %(after_id)s::bigint is null
       or (r.rank, r.happened_at, r.id) < (%(after_rank)s::real, %(after_time)s::timestamptz, %(after_id)s::bigint)
    order by r.rank desc, r.happened_at desc, r.id desc
    limit %(limit)s
) p
join utterances u on u.id = p.id
order by p.rank desc, p.happened_at desc, p.id desc;
