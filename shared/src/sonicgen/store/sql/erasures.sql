-- name: forget_clips
delete from voice_clips c
where c.speaker_id = %(speaker_id)s
   or c.voice_id in (select v.id from recording_voices v where v.speaker_id = %(speaker_id)s)
returning c.object_name, c.voiceprint_ids;

-- name: forget_hand_made_names
-- What somebody wrote into lines by hand.
with forgotten as (
    update utterances u set
        speaker_name = null,
        speaker = case
            when lower(u.speaker) = any(%(names)s::text[]) or lower(u.speaker) ~ '^[0-9]+-' and
                 regexp_replace(lower(u.speaker), '^[0-9]+-', '') = any(%(names)s::text[])
            then null else u.speaker end
    where lower(u.speaker_name) = any(%(names)s::text[])
    returning u.video_id
)
update transcripts t set revision = revision + 1 where t.video_id in (select f.video_id from forgotten f)
returning t.video_id;

-- name: forget_edits
update utterance_edits e set
    before = e.before
        || case when lower(e.before ->> 'speaker_name') = any(%(names)s::text[]) then '{"speaker_name": null}' else '{}' end::jsonb
        || case when lower(e.before ->> 'speaker') = any(%(names)s::text[]) then '{"speaker": null}' else '{}' end::jsonb,
    after = e.after
        || case when lower(e.after ->> 'speaker_name') = any(%(names)s::text[]) then '{"speaker_name": null}' else '{}' end::jsonb
        || case when lower(e.after ->> 'speaker') = any(%(names)s::text[]) then '{"speaker": null}' else '{}' end::jsonb
where e.kind = 'speaker' and (
    lower(e.before ->> 'speaker_name') = any(%(names)s::text[]) or lower(e.before ->> 'speaker') = any(%(names)s::text[])
    or lower(e.after ->> 'speaker_name') = any(%(names)s::text[]) or lower(e.after ->> 'speaker') = any(%(names)s::text[])
);

-- name: forget_enrolments
delete from enrolments e where e.speaker_id = %(speaker_id)s or lower(e.name) = any(%(names)s::text[]);

-- name: former_ids
-- Who was merged into somebody, and into those.
with recursive former as (
    select %(speaker_id)s::uuid as id
    union
    select e.id from former f
    join speaker_changes c on c.speaker_ids @> array[f.id] and c.kind in ('speakers_merged', 'speaker_named')
    cross join lateral unnest(c.speaker_ids) as e (id)
    where not exists (select from speakers s where s.id = e.id)
)
select id from former where id <> %(speaker_id)s;

-- name: forget_decisions
-- What was decided about somebody, also under an id that they had before a merge, and what undoing that would bring back.
delete from decisions d
where d.subject_ids && %(ids)s::uuid[]
   or exists (
       select from speaker_changes c, unnest(%(names)s::text[]) as n (name)
       where c.decision_id = d.id
         and position(lower(to_jsonb(n.name)::text) in lower(c.before::text || c.after::text)) > 0
   );

-- name: record
insert into erasures (erased_by, removed, objects) values (%(by)s, %(removed)s, %(objects)s::text[]) returning id;

-- name: unfinished
select id, objects from erasures where objects <> '{}' order by erased_at limit %(limit)s;

-- name: objects_removed
update erasures set objects = '{}' where id = %(id)s;

-- name: traces
select place, hits from sonicgen_traces(%(speaker_id)s, %(names)s::text[]) order by place;

-- name: mentions
-- Where the name is said or written, which is not ours to change.
select (select count(*) from utterances u where u.text ilike any(%(patterns)s::text[])) as lines,
       (select count(*) from videos v where v.title ilike any(%(patterns)s::text[])) as titles;
