-- name: begin_snapshot
-- Providers end a statement after minutes; a table takes as long as it takes.
set transaction isolation level repeatable read read only; set local statement_timeout = 0;

-- name: migrations
select name from schema_migrations order by name;

-- name: columns
-- Without those that Postgres makes of others.
select a.attname::text as name, format_type(a.atttypid, a.atttypmod) as type
from pg_attribute a
where a.attrelid = to_regclass(%(table)s) and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
order by a.attnum;

-- name: copy_out
copy (select {columns} from {table} t where {condition} order by {key}) to stdout (format binary);

-- name: all_rows
true

-- name: rows_of_decisions
-- Decisions about people go with the people.
t.kind not like 'speaker%'
and not exists (select from speakers s where s.id = any(t.subject_ids))
and not exists (select from recording_voices v where v.id = any(t.subject_ids))
and not exists (select from speaker_changes c where c.decision_id = t.id)

-- name: rows_of_utterance_edits
t.kind <> 'speaker'

-- name: lock
-- Nothing is stored, packed or removed until this transaction ends.
set local statement_timeout = 0; select pg_advisory_xact_lock(7236837002), pg_advisory_xact_lock(7236837003);

-- name: stage
create temporary table {stage} on commit drop as select {columns} from {table} with no data;

-- name: copy_in
copy {stage} ({columns}) from stdin (format binary);

-- name: index_stage
create index on {stage} ({key});

-- name: analyze
analyze {stage};

-- name: mark
-- What is to be taken of a table: 'new', 'same' (it is there), 'other' (it is there and differs), 'lost' (what it belongs
-- to is there, and it is not).
create temporary table {marks} on commit drop as
select {stage_key},
       case
           when {other_key} is null then case when {is_child_of_known} then 'lost' else 'new' end
           when ({stage_values}) is not distinct from ({own_values}) then 'same'
           else 'other'
       end as mark
from {stage} s
left join {table} t on {same_key};

-- name: known_parent
exists (select from {marks} m where m.id = s.{column} and m.mark in ('same', 'other'))

-- name: count_marks
select count(*) filter (where mark = 'new') as new, count(*) filter (where mark = 'same') as same,
       count(*) filter (where mark = 'other') as other, count(*) filter (where mark = 'lost') as lost
from {marks};

-- name: differing_videos
select s.id, s.title from stage_videos s join marks_videos m using (id) where m.mark = 'other' order by s.id;

-- name: owners
-- The recordings to which something belongs that differs or is not there.
select distinct s.{column} as id from {stage} s join {marks} m on {same_marked_key} where m.mark in ('other', 'lost');

-- name: remove_videos
delete from videos where id = any(%(ids)s::uuid[]);

-- name: drop_marks
drop table {marks};

-- name: disable_triggers
alter table videos disable trigger user;

-- name: enable_triggers
alter table videos enable trigger user;

-- name: offset
select coalesce(max({column}), 0)::bigint as value from {table};

-- name: insert
insert into {table} ({columns}) overriding system value
select {values} from {stage} s join {marks} m on {same_marked_key}
where m.mark in ('new', 'lost');

-- name: upsert
insert into {table} ({columns}) overriding system value
select {values} from {stage} s join {marks} m on {same_marked_key}
where m.mark in ('new', 'lost', 'other')
on conflict ({key}) do update set ({replaced}) = row({excluded});

-- name: lead_back
-- What was removed to be replaced took the lead to it from its copies.
update videos v set original_video_id = s.original_video_id, channel_id = s.channel_id
from stage_videos s
where s.id = v.id
  and (v.original_video_id is distinct from s.original_video_id or v.channel_id is distinct from s.channel_id);

-- name: new_numbers
create temporary table new_numbers on commit drop as
select s.id, s.number from stage_videos s join marks_videos m using (id)
where m.mark = 'new' and s.number is not null;

-- name: count_new_numbers
select count(*) as count from new_numbers;

-- name: insert_peaks
insert into recording_peaks ({columns})
select {values} from {stage} s where s.video_id in (select n.id from new_numbers n);

-- name: insert_rows
insert into fingerprints ({columns})
select {values} from {stage} s where s.loc >> 24 in (select n.number from new_numbers n);

-- name: insert_all
insert into {table} ({columns}) overriding system value select {values} from {stage} s on conflict do nothing;

-- name: forget_others
-- Blocks hold postings of recordings that were not taken, too.
insert into packed_forgotten (number)
select s.number + %(offset)s
from stage_videos s
where s.number is not null and s.id not in (select n.id from new_numbers n)
  and exists (select from stage_packed_segments p where s.number between p.first_number and p.last_number)
on conflict do nothing;

-- name: count_again
update index_totals set milliseconds = (
    select coalesce(sum(round(coalesce(duration_seconds, 0) * 1000)), 0) from videos where number is not null
), departures = departures + 1;

-- name: clear_versions
delete from index_versions;

-- name: count_versions
insert into index_versions (version, recordings)
select coalesce(index_version, 1), count(*) from videos where number is not null group by 1;

-- name: number_on
select setval('videos_number_seq', greatest(
    (select last_value from videos_number_seq), (select coalesce(max(number), 1) from videos),
    (select coalesce(max(last_number), 1) from packed_segments)
));

-- name: count_on
-- Never back: a number that was given once is not given again.
select setval(s.name, greatest(1, (select max({column}) from {table}), pg_sequence_last_value(s.name)))
from (select pg_get_serial_sequence(%(table)s, %(column)s)::regclass as name) s;
