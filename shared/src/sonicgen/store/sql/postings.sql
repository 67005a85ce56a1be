-- name: lock_index
-- Held to the end of the transaction: numbers become visible in their order.
select pg_advisory_xact_lock(7236837002);

-- name: assign_number
-- A new number at each store; the trigger videos_keep_index removes what the old one left.
update videos set number = nextval('videos_number_seq'), index_version = %(index_version)s
where id = %(video_id)s
returning number;

-- name: remove
update videos set number = null, index_version = null where id = %(video_id)s and number is not null;

-- name: remove_peaks
delete from recording_peaks where video_id = %(video_id)s;

-- name: copy_postings
copy fingerprints (key, loc) from stdin (format binary);

-- name: insert_peaks
insert into recording_peaks (video_id, segment, first_frame, data)
values (%(video_id)s, %(segment)s, %(first_frame)s, %(data)s);

-- name: candidates
select number, delta, votes
from find_fingerprint_candidates(%(keys)s, %(frames)s, %(limit)s, %(max_postings)s, %(after_number)s);

-- name: postings
select keys, locs, blocks, bits, first_numbers, sizes, data, forgotten, noisy
from find_fingerprint_postings(%(keys)s, %(max_postings)s, %(after_number)s);

-- name: indexed_seconds
select milliseconds / 1000.0::double precision as seconds from index_totals;

-- name: state
select t.milliseconds / 1000.0::double precision as seconds, t.departures,
       coalesce((select max(number) from videos), 0) as latest_number,
       coalesce((select array_agg(v.version order by v.version) from index_versions v where v.recordings > 0), '{}')
           as versions
from index_totals t;

-- name: of_version
select array_send(array_agg(number order by number)) as numbers
from videos
where number = any(%(numbers)s::bigint[]) and coalesce(index_version, 1) = %(version)s;

-- name: counts_by_version
select version, recordings from index_versions where recordings > 0 order by version;

-- name: peak_segments
-- From the last segment that begins before the range to the last that begins in it.
select (w.place - 1)::integer as stretch, p.first_frame, p.data
from unnest(%(numbers)s::bigint[], %(first_frames)s::integer[], %(last_frames)s::integer[])
     with ordinality as w (number, first_frame, last_frame, place)
join videos r on r.number = w.number
join recording_peaks p on p.video_id = r.id
where p.first_frame <= w.last_frame
  and p.first_frame >= coalesce(
      (select max(b.first_frame) from recording_peaks b where b.video_id = r.id and b.first_frame <= w.first_frame), 0
  )
order by w.place, p.first_frame;

-- name: add_noisy
insert into noisy_hashes (key, reason) select k, %(reason)s from unnest(%(keys)s::integer[]) as k
on conflict (key) do nothing;

-- name: remove_noisy
delete from noisy_hashes where key = any(%(keys)s::integer[]);

-- name: storage_bytes
select (
    (select coalesce(sum(pg_total_relation_size(inhrelid)), 0) from pg_inherits where inhparent = 'fingerprints'::regclass)
    + pg_total_relation_size('packed_postings')
)::bigint as bytes;
