-- name: lock
-- One at a time changes whose a voice is: who is looked for must not be made twice meanwhile.
select pg_advisory_xact_lock(723, 2);

-- name: create
insert into speakers (id, name, name_key) values (%(id)s, %(name)s, %(key)s) returning *;

-- name: get
select * from speakers where id = %(id)s;

-- name: by_ids
select * from speakers where id = any(%(ids)s::uuid[]);

-- name: by_key
-- By name, else by another name.
select s.* from speakers s where s.name_key = %(key)s
union all
select s.* from speakers s join speaker_aliases a on a.speaker_id = s.id where a.key = %(key)s
limit 1;

-- name: by_number
select * from speakers where number = %(number)s and name is null;

-- name: by_id_range
select * from speakers where id between %(low)s and %(high)s order by id limit 2;

-- name: rename
update speakers set name = %(name)s, name_key = %(key)s where id = %(id)s returning *;

-- name: skip
update speakers set skipped_at = clock_timestamp() where id = %(id)s;

-- name: delete
delete from speakers where id = %(id)s;

-- name: aliases
select * from speaker_aliases where speaker_id = any(%(ids)s::uuid[]) order by alias;

-- name: add_alias
insert into speaker_aliases (key, alias, speaker_id) values (%(key)s, %(alias)s, %(speaker_id)s)
on conflict (key) do update set alias = excluded.alias where speaker_aliases.speaker_id = excluded.speaker_id
returning key;

-- name: remove_alias
delete from speaker_aliases where key = %(key)s and speaker_id = %(speaker_id)s returning key;

-- name: move_belongings
-- What a person agreed to, was enrolled with and was called goes with them.
with moved_aliases as (
    update speaker_aliases set speaker_id = %(to)s where speaker_id = %(from)s
),
moved_consents as (
    update consents set speaker_id = %(to)s where speaker_id = %(from)s
),
moved_enrolments as (
    update enrolments set speaker_id = %(to)s where speaker_id = %(from)s
)
update voice_clips set speaker_id = %(to)s where speaker_id = %(from)s;

-- name: reject
insert into speaker_rejections (speaker_id, rejected_id) values (%(speaker_id)s, %(rejected_id)s)
on conflict do nothing;

-- name: rejected
select rejected_id from speaker_rejections where speaker_id = %(speaker_id)s;

-- name: add_consent
insert into consents (speaker_id, given_by, purpose, given_at, recorded_by)
values (%(speaker_id)s, %(given_by)s, %(purpose)s, %(given_at)s, %(recorded_by)s);

-- name: consents
select given_by, purpose, given_at, recorded_by, recorded_at from consents
where speaker_id = %(speaker_id)s order by recorded_at, id;

-- name: overview
-- Copies are not counted: what they hold was said once.
select s.*, coalesce(h.recordings, 0) as recordings, coalesce(h.voices, 0) as voices,
       coalesce(h.seconds, 0) as seconds,
       exists (select from voice_clips c where c.speaker_id = s.id) as is_enrolled,
       exists (select from consents c where c.speaker_id = s.id) as has_consent
from speakers s
left join lateral (
    select count(distinct v.video_id) as recordings, count(*) as voices, sum(v.speech_seconds) as seconds
    from recording_voices v where v.speaker_id = s.id and v.source_id is null
) h on true
where (%(id)s::uuid is null or s.id = %(id)s)
  and (%(is_known)s::boolean is null or (s.name is not null) = %(is_known)s)
  and (%(after)s::text is null or coalesce(s.name_key, lpad(s.number::text, 20, '0')) > %(after)s)
order by coalesce(s.name_key, lpad(s.number::text, 20, '0'))
limit %(limit)s;

-- name: queue
-- Groups without a name, by how much they say; those that somebody had no name for come last.
select s.*, h.recordings, h.voices, h.seconds, false as is_enrolled, false as has_consent
from speakers s
join lateral (
    select count(distinct v.video_id) as recordings, count(*) as voices, sum(v.speech_seconds) as seconds
    from recording_voices v where v.speaker_id = s.id and v.source_id is null
) h on h.voices > 0
where s.name is null
order by s.skipped_at nulls first, h.seconds desc, s.number
limit %(limit)s;

-- name: empty_groups
-- Groups that every voice has left.
delete from speakers s
where s.name is null
  and not exists (select from recording_voices v where v.speaker_id = s.id)
  and not exists (select from voice_clips c where c.speaker_id = s.id)
  and s.updated_at < clock_timestamp() - make_interval(secs => %(older_than_seconds)s)
  and not exists (
      select from speaker_changes c join decisions d on d.id = c.decision_id
      where c.speaker_ids @> array[s.id] and d.undone_at is null
  )
returning id;
