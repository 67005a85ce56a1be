-- name: lock
-- Keeps removals, and other packings, waiting until this transaction ends.
select pg_advisory_xact_lock(7236837003);

-- name: try_lock
select pg_try_advisory_xact_lock(7236837003) as held;

-- name: rows_before
select coalesce(min(number), %(number)s) as first_number,
       coalesce(sum(duration_seconds), 0)::double precision as seconds
from videos
where number > (select coalesce(max(last_number), 0) from packed_segments) and number < %(number)s;

-- name: next_range
-- The recordings that were stored after the last segment, up to a length of sound; numbers become visible in their order,
-- so none can come between them later.
select min(number) as first_number, max(number) as last_number
from (
    select number, sum(coalesce(duration_seconds, 0)) over (order by number) - coalesce(duration_seconds, 0) as before
    from videos
    where number > (select coalesce(max(last_number), 0) from packed_segments)
) v
where before < %(seconds)s;

-- name: unpacked_seconds
select coalesce(sum(duration_seconds), 0)::double precision as seconds
from videos
where number > (select coalesce(max(last_number), 0) from packed_segments);

-- name: read_rows
copy (select key, loc from fingerprints where loc >= {first} and loc < {end}) to stdout (format binary);

-- name: through_block_ranges
set local enable_seqscan = off; set local enable_indexscan = off; set local enable_indexonlyscan = off;

-- name: through_any_index
set local enable_seqscan to default; set local enable_indexscan to default; set local enable_indexonlyscan to default;

-- name: remove_rows
delete from fingerprints where loc >= %(first)s and loc < %(end)s;

-- name: add_segment
insert into packed_segments (first_number, last_number, bits, postings)
values (%(first_number)s, %(last_number)s, %(bits)s, %(postings)s)
returning id;

-- name: copy_blocks
copy packed_postings (segment, block, part, data) from stdin (format binary);

-- name: segments
select id, first_number, last_number, bits, postings, merging_into,
       exists (
           select from packed_forgotten f
           where f.number between s.first_number and s.last_number and f.merged_into is null
       ) as holds_forgotten
from packed_segments s
order by first_number, id;

-- name: start_merge
update packed_segments set merging_into = %(target)s where id = any(%(sources)s);

-- name: mark_forgotten
update packed_forgotten set merged_into = %(target)s where number between %(first_number)s and %(last_number)s;

-- name: forgotten
select number from packed_forgotten where merged_into = %(target)s order by number;

-- name: next_block
-- The first place that is yet to be taken over, of all sources.
select min(place) as place
from packed_segments s
cross join lateral (
    select b.block::bigint << (32 - s.bits) as place from packed_postings b
    where b.segment = s.id order by b.block limit 1
) b
where s.merging_into = %(target)s;

-- name: take_blocks
-- Of the sources, the blocks that begin in a range of places.
with taken as (
    delete from packed_postings b using packed_segments s
    where s.merging_into = %(target)s and b.segment = s.id
      and b.block >= %(first)s >> (32 - s.bits) and b.block < %(end)s >> (32 - s.bits)
    returning b.block, s.bits, s.first_number, b.part, b.data
)
select array_send(array_agg(block)) as blocks, array_send(array_agg(bits)) as bits,
       array_send(array_agg(first_number)) as first_numbers, array_send(array_agg(octet_length(data))) as sizes,
       string_agg(data, '') as data
from (select * from taken order by first_number, block, part) t;

-- name: add_to_segment
update packed_segments set postings = postings + %(postings)s where id = %(target)s;

-- name: finish_merge
delete from packed_segments where merging_into = %(target)s;

-- name: drop_forgotten
delete from packed_forgotten where merged_into = %(target)s;
