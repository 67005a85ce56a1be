-- name: capture
-- What there is of some speakers, so that it can be put back.
select jsonb_build_object(
    'speakers', (select coalesce(jsonb_agg(to_jsonb(s)), '[]') from speakers s where s.id = any(%(ids)s::uuid[])),
    'aliases', (
        select coalesce(jsonb_agg(to_jsonb(a)), '[]') from speaker_aliases a where a.speaker_id = any(%(ids)s::uuid[])
    ),
    'rejections', (
        select coalesce(jsonb_agg(to_jsonb(r)), '[]') from speaker_rejections r
        where r.speaker_id = any(%(ids)s::uuid[]) or r.rejected_id = any(%(ids)s::uuid[])
    ),
    'voices', (
        select coalesce(jsonb_agg(to_jsonb(v) - array['turn_starts', 'turn_ends', 'clips_digest', 'video_id', 'label']), '[]')
        from recording_voices v where v.speaker_id = any(%(ids)s::uuid[]) and v.source_id is null
    ),
    'samples', (
        select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'speaker_id', c.speaker_id)), '[]')
        from voice_clips c where c.speaker_id = any(%(ids)s::uuid[])
    ),
    'consents', (
        select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'speaker_id', c.speaker_id)), '[]')
        from consents c where c.speaker_id = any(%(ids)s::uuid[])
    ),
    'enrolments', (
        select coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'speaker_id', e.speaker_id)), '[]')
        from enrolments e where e.speaker_id = any(%(ids)s::uuid[])
    )
) as image;

-- name: record
insert into speaker_changes (decision_id, kind, speaker_ids, before, after)
values (%(decision_id)s, %(kind)s, %(speaker_ids)s::uuid[], %(before)s, %(after)s);

-- name: get
select c.*, d.decided_by, d.made_at, d.undone_at from speaker_changes c join decisions d on d.id = c.decision_id
where c.decision_id = %(decision_id)s;

-- name: latest
-- The latest change that stands, of everybody or of one speaker.
select c.*, d.decided_by, d.made_at, d.undone_at from speaker_changes c join decisions d on d.id = c.decision_id
where d.undone_at is null and (%(speaker_id)s::uuid is null or c.speaker_ids @> array[%(speaker_id)s::uuid])
order by c.sequence desc
limit 1;

-- name: later
-- What was changed of the same speakers since, and stands.
select c.decision_id from speaker_changes c join decisions d on d.id = c.decision_id
where c.sequence > %(sequence)s and d.undone_at is null and c.speaker_ids && %(speaker_ids)s::uuid[]
order by c.sequence desc
limit 1;

-- name: history
select c.*, d.decided_by, d.made_at, d.undone_at from speaker_changes c join decisions d on d.id = c.decision_id
where %(speaker_id)s::uuid is null or c.speaker_ids @> array[%(speaker_id)s::uuid]
order by c.sequence desc
limit %(limit)s;

-- name: taken_names
-- Names that would be put back, and that somebody else has by now.
select r.name from jsonb_populate_recordset(null::speakers, %(image)s::jsonb -> 'speakers') r
where exists (select from speakers s where s.name_key = r.name_key and s.id <> all(%(ids)s::uuid[]))
   or exists (select from speaker_aliases a where a.key = r.name_key and a.speaker_id <> all(%(ids)s::uuid[]));

-- name: free_names
update speakers set name = null, name_key = null where id = any(%(ids)s::uuid[]);

-- name: put_speakers
insert into speakers (id, number, name, name_key, skipped_at, created_at, updated_at)
overriding system value
select r.id, r.number, r.name, r.name_key, r.skipped_at, r.created_at, r.updated_at
from jsonb_populate_recordset(null::speakers, %(image)s::jsonb -> 'speakers') r
on conflict (id) do update set name = excluded.name, name_key = excluded.name_key, skipped_at = excluded.skipped_at;

-- name: clear_aliases
delete from speaker_aliases where speaker_id = any(%(ids)s::uuid[]);

-- name: clear_rejections
delete from speaker_rejections where speaker_id = any(%(ids)s::uuid[]) or rejected_id = any(%(ids)s::uuid[]);

-- name: put_aliases
insert into speaker_aliases
select r.* from jsonb_populate_recordset(null::speaker_aliases, %(image)s::jsonb -> 'aliases') r
on conflict (key) do nothing;

-- name: put_rejections
insert into speaker_rejections
select r.* from jsonb_populate_recordset(null::speaker_rejections, %(image)s::jsonb -> 'rejections') r
where exists (select from speakers s where s.id = r.speaker_id)
  and exists (select from speakers s where s.id = r.rejected_id)
on conflict do nothing;

-- name: put_voices
update recording_voices v set
    state = r.state, speaker_id = r.speaker_id, outcome = r.outcome, probability = r.probability, margin = r.margin,
    cosine = r.cosine, model = r.model, thresholds = r.thresholds, decided_by = r.decided_by,
    is_confirmed = r.is_confirmed,
    suggested_id = (select s.id from speakers s where s.id = r.suggested_id)
from jsonb_populate_recordset(null::recording_voices, %(image)s::jsonb -> 'voices') r
where v.id = r.id and v.state <> 'erased';

-- name: put_samples
update voice_clips c set speaker_id = r.speaker_id
from jsonb_populate_recordset(null::voice_clips, %(image)s::jsonb -> 'samples') r
where c.id = r.id;

-- name: put_consents
update consents c set speaker_id = r.speaker_id
from jsonb_populate_recordset(null::consents, %(image)s::jsonb -> 'consents') r
where c.id = r.id;

-- name: put_enrolments
update enrolments e set speaker_id = r.speaker_id
from jsonb_populate_recordset(null::enrolments, %(image)s::jsonb -> 'enrolments') r
where e.id = r.id;

-- name: move_newcomers
-- Voices that came to somebody who goes: to whoever they would have come to otherwise.
update recording_voices set speaker_id = %(to)s
where speaker_id = any(%(from)s::uuid[]) and id <> all(%(kept)s::uuid[]);

-- name: delete_speakers
delete from speakers where id = any(%(ids)s::uuid[]);
