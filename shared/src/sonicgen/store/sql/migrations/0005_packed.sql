-- Packed postings: what was stored some time ago moves from rows (70 bytes a posting) into blocks (5 bytes).
--
-- A segment holds the postings of consecutive numbers, first_number to last_number, in 2^bits blocks. A posting's block is
-- the upper bits of its place, which is its key with the upper 24 bits permuted (fingerprint_place). A block's bytes are
-- described in sonicgen/match/blocks.py; part 0 is what searches read, part 1 holds what a key has beyond 2,048 postings.
create table packed_segments (
    id integer generated always as identity primary key,
    first_number bigint not null,
    last_number bigint not null,
    bits smallint not null check (bits between 0 and 24),
    postings bigint not null,
    -- The segment that takes this one's blocks over, chunk by chunk: at any time each posting lies in exactly one.
    merging_into integer references packed_segments (id)
);

create table packed_postings (
    segment integer not null references packed_segments (id),
    block integer not null,
    part smallint not null,
    data bytea not null,
    primary key (segment, block, part)
);
alter table packed_postings alter column data set storage external; -- packed already
-- Merging moves blocks: what they leave is to be used again by the next ones.
alter table packed_postings set (autovacuum_vacuum_scale_factor = 0.02);

-- Numbers that left the index while their postings lie in blocks: searches leave them out at once, and the next
-- maintenance writes the blocks anew without them. `merged_into`: the merge that takes them out.
create table packed_forgotten (
    number bigint primary key,
    merged_into integer
);

create function fingerprint_place(p_key integer) returns bigint
language sql immutable parallel safe set search_path = '' as $$
    select (((p_key::bigint & 4294967295) >> 8) * 10368889 & 16777215) << 8 | (p_key & 255)
$$;

-- Removes the postings that carry a number: rows at once; of packed ones it keeps the number, until maintenance has
-- written their blocks anew. The lock, shared among removals, waits for a packing that is under way, which otherwise could
-- carry rows into blocks that are being removed here.
create or replace function remove_fingerprints(p_number bigint) returns void
language plpgsql security invoker
set search_path = '' set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
begin
    perform pg_advisory_xact_lock_shared(7236837003);
    delete from public.fingerprints where loc >= p_number << 24 and loc < (p_number + 1) << 24;
    insert into public.packed_forgotten (number)
    select p_number
    where exists (
        select from public.packed_segments s where p_number between s.first_number and s.last_number
    )
    on conflict (number) do nothing;
end
$$;

-- The postings of many keys in one call, for clients that unpack and count the votes themselves.
--
-- p_keys: without repetition, ascending. Work is bounded by the query: of each key at most p_max_postings + 1 rows and one
-- block a segment are read. With p_after_number only later recordings' rows, and segments that hold any, are read.
--
-- Returns one row. Rows: keys (integer[]) and locs (bigint[]) of the postings, in order. Blocks, in any order:
-- their numbers, their segments' bits and first numbers, their sizes, and their bytes one after the other. Forgotten: the
-- numbers to be left out of them. Noisy: those of p_keys that take no part. All arrays are in Postgres' binary format
-- (a row for each posting takes a client ten times as long to read), null when there are none.
drop function find_fingerprint_postings(integer[], integer, bigint);
create function find_fingerprint_postings(
    p_keys integer[],
    p_max_postings integer,
    p_after_number bigint default null
) returns table (
    keys bytea, locs bytea, blocks bytea, bits bytea, first_numbers bytea, sizes bytea, data bytea, forgotten bytea,
    noisy bytea
)
language sql stable security invoker
-- One index probe a key is right whatever the statistics say (a new table has none).
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off
set enable_mergejoin = off set work_mem = '64MB' as $$
    with found_rows as (
        select array_send(array_agg(k.key)) as keys, array_send(array_agg(p.loc)) as locs
        from unnest(p_keys) as k (key)
        cross join lateral (
            select f.loc from public.fingerprints f
            where f.key = k.key and f.loc >= (coalesce(p_after_number, 0) + 1) << 24
            order by f.loc
            limit p_max_postings + 1
        ) p
        where exists (select from public.fingerprints) -- asked once: often all is packed
    ),
    places as materialized (
        select (((k.key::bigint & 4294967295) >> 8) * 10368889 & 16777215) << 8 | (k.key & 255) as place
        from unnest(p_keys) as k (key)
    ),
    wanted as materialized (
        select s.id as segment, s.bits, s.first_number, b.block
        from (
            select * from public.packed_segments where last_number > coalesce(p_after_number, 0)
            order by first_number -- which the nested loops keep: the client then has nothing to sort
        ) s
        cross join lateral (
            select distinct (p.place >> (32 - s.bits))::integer as block from places p
        ) b
    ),
    found_blocks as (
        select array_send(array_agg(w.block)) as blocks, array_send(array_agg(w.bits)) as bits,
               array_send(array_agg(w.first_number)) as first_numbers, array_send(array_agg(octet_length(p.data))) as sizes,
               string_agg(p.data, '') as data
        from wanted w
        join public.packed_postings p on p.segment = w.segment and p.block = w.block
        where p.part = 0 or p_max_postings >= 2048
    )
    select r.keys, r.locs, b.blocks, b.bits, b.first_numbers, b.sizes, b.data,
           (select array_send(array_agg(f.number order by f.number)) from public.packed_forgotten f),
           (select array_send(array_agg(n.key)) from public.noisy_hashes n where n.key = any(p_keys))
    from found_rows r
    cross join found_blocks b
$$;

-- The postings of some places in one block, for queries in SQL. Slow, byte by byte: clients unpack blocks themselves.
create function unpack_fingerprints(
    p_data bytea, p_block integer, p_bits smallint, p_first_number bigint, p_places bigint[]
) returns table (key integer, loc bigint)
language plpgsql immutable parallel safe set search_path = '' as $$
declare
    r_number_size integer := get_byte(p_data, 0) & 15;
    r_frame_size integer := get_byte(p_data, 0) >> 4;
    r_places bigint[] := '{}';
    r_indexes integer[] := '{}';
    r_place bigint := p_block::bigint << (32 - p_bits);
    r_value bigint;
    r_shift integer;
    r_byte integer;
    r_at integer := 1;
    r_count integer := 0;
begin
    while r_at + r_count * (r_number_size + r_frame_size) < octet_length(p_data) loop
        r_value := 0;
        r_shift := 0;
        loop
            r_byte := get_byte(p_data, r_at);
            r_at := r_at + 1;
            r_value := r_value | ((r_byte & 127)::bigint << r_shift);
            exit when r_byte < 128;
            r_shift := r_shift + 7;
        end loop;
        r_place := r_place + r_value;
        if r_place = any(p_places) then
            r_places := r_places || r_place;
            r_indexes := r_indexes || r_count;
        end if;
        r_count := r_count + 1;
    end loop;
    for i in 1..cardinality(r_places) loop
        -- Back from the place to the key; the upper bits of a negative key wrap round.
        r_value := ((r_places[i] >> 8) * 11764425 & 16777215) << 8 | (r_places[i] & 255);
        key := (case when r_value > 2147483647 then r_value - 4294967296 else r_value end)::integer;
        r_byte := r_at + r_indexes[i] * (r_number_size + r_frame_size);
        r_value := 0;
        for j in reverse r_number_size - 1..0 loop
            r_value := r_value << 8 | get_byte(p_data, r_byte + j);
        end loop;
        loc := p_first_number + r_value << 24;
        r_value := 0;
        for j in reverse r_frame_size - 1..0 loop
            r_value := r_value << 8 | get_byte(p_data, r_byte + r_number_size + j);
        end loop;
        loc := loc | r_value;
        return next;
    end loop;
end
$$;

-- As before (migration 0002 describes it), with packed postings counted like rows.
create or replace function find_fingerprint_candidates(
    p_keys integer[],
    p_frames integer[],
    p_limit integer,
    p_max_postings integer,
    p_after_number bigint default null
) returns table (video_id uuid, number bigint, delta integer, votes integer)
language sql stable security invoker
-- One index probe a key is right whatever the statistics say (a new table has none).
set search_path = '' set enable_seqscan = off set enable_bitmapscan = off set work_mem = '64MB' as $$
    with landmarks as (
        select l.key, array_agg(distinct l.frame) as frames
        from unnest(p_keys, p_frames) as l (key, frame)
        where not exists (select from public.noisy_hashes n where n.key = l.key)
        group by l.key
    ),
    blocks as materialized (
        select w.segment, w.block, w.bits, w.first_number, array_agg(w.place) as places
        from (
            select s.id as segment, s.bits, s.first_number, p.place, (p.place >> (32 - s.bits))::integer as block
            from public.packed_segments s
            cross join (select public.fingerprint_place(l.key) as place from landmarks l) p
            where s.last_number > coalesce(p_after_number, 0)
        ) w
        group by w.segment, w.block, w.bits, w.first_number
    ),
    packed as materialized (
        select u.key, array_agg(u.loc) as locs
        from blocks w
        join public.packed_postings b on b.segment = w.segment and b.block = w.block
        cross join lateral public.unpack_fingerprints(b.data, w.block, w.bits, w.first_number, w.places) u
        where (b.part = 0 or p_max_postings >= 2048)
          and u.loc >= (coalesce(p_after_number, 0) + 1) << 24
          and not exists (select from public.packed_forgotten f where f.number = u.loc >> 24)
        group by u.key
    ),
    hits as (
        select h.key, h.frames, h.locs
        from (
            select l.key, l.frames, p.locs || q.locs as locs
            from landmarks l
            cross join lateral (
                select array_agg(f.loc) as locs
                from (
                    select loc from public.fingerprints
                    where key = l.key and loc >= (coalesce(p_after_number, 0) + 1) << 24
                    limit p_max_postings + 1
                ) f
            ) p
            left join packed q on q.key = l.key
        ) h
        where cardinality(h.locs) <= p_max_postings
    ),
    votes as (
        -- A place is a recording's number (upper bits) and a bin of 8 frames of offset (lower 22 bits), as one integer:
        -- it groups and sorts faster than two columns, and the next bin is the next integer.
        select ((t.loc >> 24) << 22) | (((t.loc & 16777215) - q.frame + 16777216) >> 3) as place,
               min((t.loc & 16777215) - q.frame) as delta
        from hits h
        cross join unnest(h.frames) as q (frame)
        cross join unnest(h.locs) as t (loc)
        group by h.key, q.frame, 1
    ),
    bins as (
        select v.place, count(*) as votes, sum(v.delta) as delta_sum
        from votes v
        group by v.place
    ),
    pairs as (
        select b.place,
               b.votes + case when b.next_place = b.place + 1 then b.next_votes else 0 end as votes,
               b.delta_sum + case when b.next_place = b.place + 1 then b.next_delta_sum else 0 end as delta_sum
        from (
            select bins.*, lead(place) over w as next_place, lead(votes) over w as next_votes,
                   lead(delta_sum) over w as next_delta_sum
            from bins
            window w as (order by place)
        ) b
    ),
    compared as (
        select p.*,
               lag(p.place) over w = p.place - 1 and lag(p.votes) over w >= p.votes as beaten_by_previous,
               lead(p.place) over w = p.place + 1 and lead(p.votes) over w > p.votes as beaten_by_next
        from pairs p
        window w as (order by p.place)
    ),
    best as (
        select c.place >> 22 as number, c.votes, round(c.delta_sum / c.votes)::integer as delta
        from compared c
        where c.beaten_by_previous is not true and c.beaten_by_next is not true
        order by c.votes desc, c.place
        limit p_limit
    )
    select v.id, b.number, b.delta, b.votes::integer
    from best b
    join public.videos v on v.number = b.number
    order by b.votes desc, b.number, b.delta
$$;

select sonicgen_protect('function', 'public.fingerprint_place(integer)');
select sonicgen_protect(
    'function', 'public.unpack_fingerprints(bytea, integer, smallint, bigint, bigint[])'
);
select sonicgen_protect('function', 'public.find_fingerprint_postings(integer[], integer, bigint)');
select sonicgen_protect('table', 'public.packed_segments');
select sonicgen_protect('table', 'public.packed_postings');
select sonicgen_protect('table', 'public.packed_forgotten');
