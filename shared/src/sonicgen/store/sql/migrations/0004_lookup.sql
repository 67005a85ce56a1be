-- The postings of many keys in one call, for clients that count the votes themselves.
--
-- p_keys: without repetition; ascending is fastest, since neighbouring look-ups share pages. Work is bounded by the
-- query: of each key at most p_max_postings + 1 postings are returned, so that the caller sees which key has too many,
-- and none of a key in noisy_hashes. With p_after_number only recordings with a higher number are read.
--
-- Returns one row: the postings' keys (integer[]) and locs (bigint[]) as Postgres' binary arrays, in the order of p_keys
-- and then of loc; null when there are none. A row for each posting takes a client ten times as long to read.
create function find_fingerprint_postings(
    p_keys integer[],
    p_max_postings integer,
    p_after_number bigint default null
) returns table (keys bytea, locs bytea)
language sql stable security invoker
-- One index probe a key is right whatever the statistics say (a new table has none).
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off as $$
    select array_send(array_agg(k.key)), array_send(array_agg(p.loc))
    from unnest(p_keys) as k (key)
    cross join lateral (
        select f.loc from public.fingerprints f
        where f.key = k.key and f.loc >= (coalesce(p_after_number, 0) + 1) << 24
        order by f.loc
        limit p_max_postings + 1
    ) p
    where k.key not in (select n.key from public.noisy_hashes n)
$$;

select sonicgen_protect('function', 'public.find_fingerprint_postings(integer[], integer, bigint)');
