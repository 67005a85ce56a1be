-- name: has_citus
select exists (select from pg_extension where extname = 'citus') as there;

-- name: distribute
-- Small tables that searches join with go to every node whole; postings are spread by what searches ask for: rows by their
-- key, blocks by their place, so that each node looks up its share of a question's keys. Run again, it does nothing.
select create_reference_table(t.name) from (values ('packed_segments'), ('packed_forgotten'), ('noisy_hashes')) t (name)
where not exists (select from pg_dist_partition where logicalrelid = t.name::regclass);
select create_distributed_table(t.name, t.spread_by, colocate_with := 'none')
from (values ('fingerprints', 'key'), ('packed_postings', 'block')) t (name, spread_by)
where not exists (select from pg_dist_partition where logicalrelid = t.name::regclass);

-- name: spread_search
-- find_fingerprint_postings for tables that are spread: the same name, arguments and answer. A limit inside a lateral join
-- cannot be asked of other nodes; a rank within each key can, since rows are spread by key.
create or replace function find_fingerprint_postings(
    p_keys integer[],
    p_max_postings integer,
    p_after_number bigint default null
) returns table (
    keys bytea, locs bytea, blocks bytea, bits bytea, first_numbers bytea, sizes bytea, data bytea, forgotten bytea,
    noisy bytea
)
language sql stable security invoker
set search_path = '' set work_mem = '64MB' as $$
    with ranked as (
        select f.key, f.loc, row_number() over (partition by f.key order by f.loc) as rank
        from public.fingerprints f
        where f.key = any(p_keys) and f.loc >= (coalesce(p_after_number, 0) + 1) << 24
    ),
    found_rows as (
        select array_send(array_agg(r.key order by r.key, r.loc)) as keys,
               array_send(array_agg(r.loc order by r.key, r.loc)) as locs
        from ranked r
        where r.rank <= p_max_postings + 1
    ),
    places as materialized (
        select (((k.key::bigint & 4294967295) >> 8) * 10368889 & 16777215) << 8 | (k.key & 255) as place
        from unnest(p_keys) as k (key)
    ),
    wanted as materialized (
        select s.id as segment, s.bits, s.first_number, b.block
        from (
            select * from public.packed_segments where last_number > coalesce(p_after_number, 0)
        ) s
        cross join lateral (
            select distinct (p.place >> (32 - s.bits))::integer as block from places p
        ) b
    ),
    found as (
        select w.segment, w.block, w.bits, w.first_number, p.part, p.data
        from wanted w
        join public.packed_postings p on p.segment = w.segment and p.block = w.block
        where p.part = 0 or p_max_postings >= 2048
    ),
    found_blocks as (
        -- Parts come from several nodes at once, and the four lists must go together.
        select array_send(array_agg(f.block order by f.first_number, f.block, f.part)) as blocks,
               array_send(array_agg(f.bits order by f.first_number, f.block, f.part)) as bits,
               array_send(array_agg(f.first_number order by f.first_number, f.block, f.part)) as first_numbers,
               array_send(array_agg(octet_length(f.data) order by f.first_number, f.block, f.part)) as sizes,
               string_agg(f.data, '' order by f.first_number, f.block, f.part) as data
        from found f
    )
    select r.keys, r.locs, b.blocks, b.bits, b.first_numbers, b.sizes, b.data,
           (select array_send(array_agg(f.number order by f.number)) from public.packed_forgotten f),
           (select array_send(array_agg(n.key)) from public.noisy_hashes n where n.key = any(p_keys))
    from found_rows r
    cross join found_blocks b
$$;
