-- name: add
-- Vectors come as one array of numbers, %(dim)s for each.
insert into speaker_embeddings (
    id, model, version, dim, embedding, duration_seconds, source, speaker_id, is_known, in_profile, video_id, voice
)
select
    row.id, %(model)s, %(version)s, %(dim)s,
    (%(numbers)s::real[])[(row.number - 1) * %(dim)s + 1 : row.number * %(dim)s]::vector,
    row.seconds, row.source, row.speaker_id, row.is_known, row.in_profile, row.video_id, row.voice
from rows from (
    unnest(%(ids)s::uuid[]), unnest(%(seconds)s::double precision[]), unnest(%(sources)s::text[]),
    unnest(%(speaker_ids)s::uuid[]), unnest(%(is_known)s::boolean[]), unnest(%(in_profile)s::boolean[]),
    unnest(%(video_ids)s::uuid[]), unnest(%(voices)s::text[])
) with ordinality as row (id, seconds, source, speaker_id, is_known, in_profile, video_id, voice, number)
order by row.id
on conflict (id) do update set
    embedding = excluded.embedding,
    duration_seconds = excluded.duration_seconds,
    speaker_id = excluded.speaker_id,
    is_known = excluded.is_known,
    in_profile = excluded.in_profile,
    video_id = excluded.video_id,
    voice = excluded.voice
where (
    speaker_embeddings.embedding, speaker_embeddings.duration_seconds, speaker_embeddings.speaker_id, speaker_embeddings.is_known,
    speaker_embeddings.in_profile, speaker_embeddings.video_id, speaker_embeddings.voice
) is distinct from (
    excluded.embedding, excluded.duration_seconds, excluded.speaker_id, excluded.is_known,
    excluded.in_profile, excluded.video_id, excluded.voice
);

-- name: assign
update speaker_embeddings set speaker_id = %(speaker_id)s, is_known = %(is_known)s where id = any(%(ids)s::uuid[]);

-- name: set_known
update speaker_embeddings set is_known = %(is_known)s where speaker_id = %(speaker_id)s and is_known <> %(is_known)s;

-- name: open_graph
-- No row when the model's profiles have no graph.
select set_config('hnsw.ef_search', %(breadth)s, true), set_config('hnsw.iterative_scan', 'strict_order', true)
where to_regclass(
    'speaker_profiles_graph_' || left(encode(sha256(convert_to(%(model_key)s, 'UTF8')), 'hex'), 16)
) is not null;

-- name: nearest_in_graph
-- The order is the graph's own expression, to the letter; $dim is put in by the caller.
with query as materialized (
    select number, (%(numbers)s::real[])[(number - 1) * %(dim)s + 1 : number * %(dim)s]::vector($dim) as vector
    from generate_series(1, %(queries)s) as number
)
select query.number, near.*
from query
cross join lateral (
    select
        p.speaker_id, p.is_known, p.duration_seconds, p.embeddings,
        -(p.embedding::vector($dim) <#> query.vector) as cosine
    from speaker_profiles p
    where p.model_key = %(model_key)s and (%(is_known)s::boolean is null or p.is_known = %(is_known)s)
    order by p.embedding::vector($dim) <#> query.vector
    limit %(count)s
) near
order by query.number, near.cosine desc, near.speaker_id;

-- name: set_graph
select speaker_profiles_graph(%(model_key)s, %(dim)s, %(is_wanted)s);

-- name: nearest
-- Exact: every profile is compared, which a sum in the order keeps an index from replacing.
with query as materialized (
    select number, (%(numbers)s::real[])[(number - 1) * %(dim)s + 1 : number * %(dim)s]::vector as vector
    from generate_series(1, %(queries)s) as number
)
select query.number, near.*
from query
cross join lateral (
    select p.speaker_id, p.is_known, p.duration_seconds, p.embeddings, -(p.embedding <#> query.vector) as cosine
    from speaker_profiles p
    where p.model_key = %(model_key)s and (%(is_known)s::boolean is null or p.is_known = %(is_known)s)
    order by cosine desc, p.speaker_id
    limit %(count)s
) near
order by query.number, near.cosine desc, near.speaker_id;

-- name: cosines
-- The same for speakers that are named, and for those that changed lately.
with query as materialized (
    select number, (%(numbers)s::real[])[(number - 1) * %(dim)s + 1 : number * %(dim)s]::vector as vector
    from generate_series(1, %(queries)s) as number
)
select query.number, near.*
from query
cross join lateral (
    select p.speaker_id, p.is_known, p.duration_seconds, p.embeddings, -(p.embedding <#> query.vector) as cosine
    from speaker_profiles p
    where p.model_key = %(model_key)s and (%(is_known)s::boolean is null or p.is_known = %(is_known)s)
      and (
        p.speaker_id = any(%(speaker_ids)s::uuid[])
        or p.changed_at > clock_timestamp() - make_interval(secs => %(fresh_seconds)s)
      )
    order by cosine desc, p.speaker_id
    limit %(count)s
) near
order by query.number, near.cosine desc, near.speaker_id;

-- name: profiles
select speaker_id, vector_send(embedding) as embedding
from speaker_profiles where model_key = %(model_key)s and speaker_id = any(%(speaker_ids)s::uuid[]);

-- name: fetch
select *, vector_send(embedding) as embedding from speaker_embeddings where id = any(%(ids)s::uuid[]);

-- name: find
select *, vector_send(embedding) as embedding from speaker_embeddings
where (%(speaker_id)s::uuid is null or speaker_id = %(speaker_id)s)
  and (%(recording_id)s::uuid is null or video_id = %(recording_id)s)
  and (%(model_key)s::text is null or model_key = %(model_key)s)
order by created_at, id;

-- name: scan
select *, vector_send(embedding) as embedding from speaker_embeddings
where model_key = %(model_key)s and (%(after)s::uuid is null or id > %(after)s)
order by id
limit %(limit)s;

-- name: delete
delete from speaker_embeddings
where (%(ids)s::uuid[] is null or id = any(%(ids)s))
  and (%(speaker_id)s::uuid is null or speaker_id = %(speaker_id)s)
  and (%(recording_id)s::uuid is null or video_id = %(recording_id)s)
  and (%(model_key)s::text is null or model_key = %(model_key)s);

-- name: count
select
    (select count(*) from speaker_embeddings where model_key = %(model_key)s) as voiceprints,
    count(*) filter (where is_known) as known_speakers,
    count(*) filter (where not is_known) as unknown_speakers
from speaker_profiles where model_key = %(model_key)s;

-- name: people
select count(*) as people from speaker_profiles where model_key = %(model_key)s and is_known;

-- name: models
select distinct model, version, dim from speaker_embeddings order by model, version;

-- name: refresh
select speaker_profiles_refresh(array(
    select distinct speaker_id from speaker_embeddings
    where speaker_id is not null and (%(model_key)s::text is null or model_key = %(model_key)s)
));

-- name: traces
select
    (select count(*) from speaker_embeddings where speaker_id = %(speaker_id)s)
    + (select count(*) from speaker_profiles where speaker_id = %(speaker_id)s) as traces;

-- name: offer
-- Said before anything is sent: what may lie in the index outside must be removed there one day.
update speaker_profiles set is_offered = true
where not is_settled and not is_offered and (%(model_key)s::text is null or model_key = %(model_key)s);

-- name: unsettle
update speaker_profiles set is_settled = false
where is_settled and (%(model_key)s::text is null or model_key = %(model_key)s);

-- name: unsettled
select model_key, speaker_id, model, version, dim, is_known, duration_seconds, embeddings,
    vector_send(embedding) as embedding
from speaker_profiles
where is_offered and not is_settled and (%(model_key)s::text is null or model_key = %(model_key)s)
order by model_key, speaker_id
limit %(limit)s
for update skip locked;

-- name: settle
update speaker_profiles p set is_settled = true
from unnest(%(model_keys)s::text[], %(speaker_ids)s::uuid[]) as sent (model_key, speaker_id)
where p.model_key = sent.model_key and p.speaker_id = sent.speaker_id;

-- name: removals
select r.model_key, r.speaker_id from speaker_profile_removals r
where %(model_key)s::text is null or r.model_key = %(model_key)s
order by r.model_key, r.speaker_id
limit %(limit)s
for update skip locked;

-- name: removed
delete from speaker_profile_removals r
using unnest(%(model_keys)s::text[], %(speaker_ids)s::uuid[]) as sent (model_key, speaker_id)
where r.model_key = sent.model_key and r.speaker_id = sent.speaker_id;

-- name: held
select speaker_id from speaker_profiles
where model_key = %(model_key)s and speaker_id = any(%(speaker_ids)s::uuid[]);
