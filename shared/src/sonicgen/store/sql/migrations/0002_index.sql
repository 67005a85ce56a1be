-- The index: postings by landmark key, every recording's peaks, and the keys that say nothing.

-- One row a posting: loc = videos.number << 24 | frame (24 bits of frame are 108 hours). Partitioned from the start,
-- since a table of billions of rows cannot be partitioned later in place; 16 partitions measured in docs/database.md.
create table fingerprints (
    key integer not null,
    loc bigint not null
) partition by hash (key);

do $$
begin
    for i in 0..15 loop
        execute format(
            'create table fingerprints_%s partition of fingerprints for values with (modulus 16, remainder %s) '
            -- Vacuum early: it marks pages as visible to all, without which an index-only scan reads the rows too.
            'with (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.05)',
            to_char(i, 'FM00'), i
        );
    end loop;
end
$$;

create index fingerprints_key_loc on fingerprints (key, loc);
-- Finds a recording's postings when it leaves: rows lie in the order of their numbers, so the block ranges tell nearly
-- all blocks apart. A few kB instead of a second B-tree or a list of keys for each recording.
create index fingerprints_loc on fingerprints
    using brin (loc int8_minmax_multi_ops) with (pages_per_range = 16, autosummarize = on);

create sequence videos_number_seq as bigint;

create table recording_peaks (
    video_id uuid not null references videos (id) on delete cascade,
    segment integer not null,
    first_frame integer not null,
    data bytea not null,
    primary key (video_id, segment)
);
alter table recording_peaks alter column data set storage external; -- packed already

create table noisy_hashes (
    key integer primary key,
    reason text not null,
    created_at timestamptz not null default clock_timestamp()
);

-- How much sound the index holds, kept up to date by a trigger: matching asks for it with every query, and counting
-- would make a query dearer with every recording. In milliseconds, since sums of whole numbers do not drift.
create table index_totals (
    only_row boolean primary key default true check (only_row),
    milliseconds bigint not null
);
insert into index_totals (milliseconds) values (0);

-- Removes the postings that carry a number. Always through the block ranges, whatever the planner's statistics say.
create function remove_fingerprints(p_number bigint) returns void
language plpgsql security invoker
set search_path = '' set enable_seqscan = off set enable_indexscan = off set enable_indexonlyscan = off as $$
begin
    delete from public.fingerprints where loc >= p_number << 24 and loc < (p_number + 1) << 24;
end
$$;

-- Postings cannot carry a foreign key (their number is a part of a column); this trigger is as strict as one.
create function videos_keep_index() returns trigger
language plpgsql set search_path = '' as $$
declare
    r_before bigint := 0;
    r_after bigint := 0;
begin
    if tg_op <> 'INSERT' and old.number is not null then
        r_before := round(coalesce(old.duration_seconds, 0) * 1000);
        if tg_op = 'DELETE' or new.number is distinct from old.number then
            perform public.remove_fingerprints(old.number);
        end if;
    end if;
    if tg_op <> 'DELETE' and new.number is not null then
        r_after := round(coalesce(new.duration_seconds, 0) * 1000);
    end if;
    if r_before <> r_after then
        update public.index_totals set milliseconds = milliseconds + r_after - r_before;
    end if;
    return null;
end
$$;

create trigger videos_keep_index after insert or delete or update of number, duration_seconds on videos
    for each row execute function videos_keep_index();

-- Ranks (recording, offset) pairs by how many landmarks of the query agree on them.
--
-- p_keys and p_frames are the query's landmarks: key and frame of the anchor. A posting of the same key votes for its
-- recording and the bin of 8 frames that holds (its frame - the query's frame); one landmark votes once for a bin. The
-- true offset may straddle two bins, so a bin's rank counts the next bin too; delta is the mean offset of those votes.
-- A pair of bins that shares its votes with a better neighbour is the same offset again and is left out.
--
-- Work is bounded by the query alone: of each key at most p_max_postings + 1 postings are read, and a key that has more,
-- or that stands in noisy_hashes, is left out whole. With p_after_number only recordings with a higher number are read
-- and counted.
create function find_fingerprint_candidates(
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
    hits as (
        select l.key, l.frames, p.locs
        from landmarks l
        cross join lateral (
            select array_agg(f.loc) as locs
            from (
                select loc from public.fingerprints
                where key = l.key and loc >= (coalesce(p_after_number, 0) + 1) << 24
                limit p_max_postings + 1
            ) f
        ) p
        where cardinality(p.locs) <= p_max_postings
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

select sonicgen_protect('function', 'public.remove_fingerprints(bigint)');
select sonicgen_protect('function', 'public.videos_keep_index()');
select sonicgen_protect(
    'function', 'public.find_fingerprint_candidates(integer[], integer[], integer, integer, bigint)'
);
select sonicgen_protect('table', 'public.fingerprints');
select sonicgen_protect('table', 'public.recording_peaks');
select sonicgen_protect('table', 'public.noisy_hashes');
select sonicgen_protect('table', 'public.index_totals');
select sonicgen_protect('sequence', 'public.videos_number_seq');
