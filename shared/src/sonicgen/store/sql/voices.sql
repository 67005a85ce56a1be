-- name: of_video
select * from recording_voices where video_id = %(video_id)s order by label;

-- name: of_speaker
select v.* from recording_voices v join videos r on r.id = v.video_id
where v.speaker_id = %(speaker_id)s
order by coalesce(r.published_at, r.created_at) desc, v.video_id, v.label;

-- name: of_speakers_locked
select * from recording_voices where speaker_id = any(%(speaker_ids)s::uuid[]) order by id for update;

-- name: by_ids
select * from recording_voices where id = any(%(ids)s::uuid[]) order by id;

-- name: clips_of_voices
select * from voice_clips where voice_id = any(%(ids)s::uuid[]) order by start_seconds, id;

-- name: clips_of_speakers
-- What people were enrolled with.
select * from voice_clips where speaker_id = any(%(ids)s::uuid[]) order by created_at, object_name;

-- name: clip
select * from voice_clips where id = %(id)s;

-- name: insert
insert into recording_voices (
    id, video_id, label, state, turn_starts, turn_ends, speech_seconds, speaker_id, source_id, outcome, decided_by
) values (
    %(id)s, %(video_id)s, %(label)s, %(state)s, %(turn_starts)s::double precision[], %(turn_ends)s::double precision[],
    %(speech_seconds)s, %(speaker_id)s, %(source_id)s, %(outcome)s, %(decided_by)s
)
on conflict (video_id, label) do update set
    id = excluded.id, state = excluded.state, turn_starts = excluded.turn_starts, turn_ends = excluded.turn_ends,
    speech_seconds = excluded.speech_seconds, speaker_id = excluded.speaker_id, source_id = excluded.source_id,
    outcome = excluded.outcome, decided_by = excluded.decided_by;

-- name: set_turns
update recording_voices set
    turn_starts = %(turn_starts)s::double precision[], turn_ends = %(turn_ends)s::double precision[],
    speech_seconds = %(speech_seconds)s
where id = %(id)s;

-- name: unlabel
-- Labels are exchanged in two steps, as each is unique in its recording.
update recording_voices set label = id::text where id = any(%(ids)s::uuid[]);

-- name: relabel
update recording_voices v set label = n.label
from unnest(%(ids)s::uuid[], %(labels)s::text[]) as n (id, label)
where v.id = n.id;

-- name: delete
delete from recording_voices where id = any(%(ids)s::uuid[]);

-- name: delete_clips
delete from voice_clips where voice_id = %(voice_id)s and object_name <> all(%(kept)s::text[]);

-- name: insert_clip
insert into voice_clips (id, voice_id, speaker_id, object_name, start_seconds, end_seconds, sample_sha256, voiceprint_ids)
values (
    %(id)s, %(voice_id)s, %(speaker_id)s, %(object_name)s, %(start_seconds)s, %(end_seconds)s, %(sample_sha256)s,
    %(voiceprint_ids)s::uuid[]
)
on conflict (id) do nothing;

-- name: set_clips_cut
-- What a person said stays; a voice whose clips are others is heard anew.
update recording_voices set
    clips_digest = %(digest)s,
    state = case
        when state = 'erased' then state
        when %(clips)s = 0 and not is_confirmed then 'unheard'
        when is_changed and not is_confirmed then 'waiting'
        when state in ('cutting', 'unheard') then case when is_confirmed then 'assigned' else 'waiting' end
        else state
    end
from (select %(is_changed)s::boolean as is_changed) c
where id = %(id)s;

-- name: add_voiceprints
update voice_clips c set voiceprint_ids = array(
    select distinct e from unnest(c.voiceprint_ids || n.voiceprint_id) as u (e)
)
from unnest(%(clip_ids)s::uuid[], %(voiceprint_ids)s::uuid[]) as n (clip_id, voiceprint_id)
where c.id = n.clip_id;

-- name: drop_voiceprints
update voice_clips c set voiceprint_ids = array(
    select e from unnest(c.voiceprint_ids) as u (e) where e <> all(%(ids)s::uuid[])
)
where c.voiceprint_ids && %(ids)s::uuid[];

-- name: decide
update recording_voices set
    state = 'assigned', speaker_id = %(speaker_id)s, outcome = %(outcome)s, probability = %(probability)s,
    margin = %(margin)s, cosine = %(cosine)s, suggested_id = %(suggested_id)s, model = %(model)s,
    thresholds = %(thresholds)s, decided_by = %(decided_by)s, is_confirmed = false
where id = %(id)s and state <> 'erased' and not is_confirmed
returning id;

-- name: assign
-- By a person, or by an undo: heirs follow their originals.
update recording_voices set
    state = 'assigned', speaker_id = %(speaker_id)s, decided_by = coalesce(%(decided_by)s, decided_by),
    is_confirmed = %(is_confirmed)s, suggested_id = null
where id = any(%(ids)s::uuid[]) and state <> 'erased';

-- name: follow_sources
-- A copy's voice is whoever its original's is.
update recording_voices v set
    speaker_id = s.speaker_id, state = s.state, outcome = 'inherited', decided_by = 'inherited'
from recording_voices s
where s.id = v.source_id and (s.id = any(%(ids)s::uuid[]) or v.id = any(%(ids)s::uuid[]))
  and (v.speaker_id is distinct from s.speaker_id or v.state <> s.state);

-- name: erase
update recording_voices set
    state = 'erased', speaker_id = null, suggested_id = null, outcome = null, probability = null, margin = null,
    cosine = null, model = null, thresholds = null, decided_by = null, is_confirmed = false
where speaker_id = %(speaker_id)s
returning id;

-- name: forget_suggestions
update recording_voices set suggested_id = null, probability = null, margin = null, cosine = null
where suggested_id = %(speaker_id)s;

-- name: recordings_of_speakers
-- Where somebody is heard, and where copies say so too.
select distinct video_id from recording_voices where speaker_id = any(%(speaker_ids)s::uuid[]) order by video_id;

-- name: recordings_called
-- Recordings with voices whose title is this one, whatever its ending.
select distinct v.video_id from recording_voices v join videos r on r.id = v.video_id
where r.title = %(stem)s or regexp_replace(r.title, '\.[^.]+$', '') = %(stem)s
limit 2;

-- name: lock_names
-- Names are written recording by recording, always in the same order.
select id from transcripts where video_id = any(%(video_ids)s::uuid[]) order by id for update;

-- name: write_names
-- A line whose label is no voice of the recording was named by hand, and keeps that name.
with wanted as (
    select u.id, s.name
    from utterances u
    join recording_voices v on v.video_id = u.video_id and v.label = u.speaker
    left join speakers s on s.id = v.speaker_id
    where u.video_id = any(%(video_ids)s::uuid[]) and u.speaker_name is distinct from s.name
),
written as (
    update utterances u set speaker_name = w.name from wanted w where w.id = u.id returning u.video_id
)
update transcripts t set
    revision = t.revision + 1,
    voices_revision = case when t.voices_revision = t.revision then t.revision + 1 else t.voices_revision end
where t.video_id in (select w.video_id from written w)
returning t.video_id;

-- name: mark_read
update transcripts set voices_revision = %(revision)s where video_id = %(video_id)s;

-- name: unread
-- Transcripts whose voices were not looked for, or not since their words changed.
select t.video_id from transcripts t
where t.state in ('ready', 'inherited') and t.voices_revision is distinct from t.revision
  and t.updated_at < clock_timestamp() - make_interval(secs => %(older_than_seconds)s)
order by t.updated_at
limit %(limit)s;

-- name: unheard
-- Recordings with clips that nobody has listened to.
select distinct video_id from recording_voices
where state in ('cutting', 'waiting') and source_id is null
  and updated_at < clock_timestamp() - make_interval(secs => %(older_than_seconds)s)
limit %(limit)s;

-- name: hand_named
-- Labels that somebody wrote into lines instead of a speaker of the transcript.
select distinct e.after ->> 'speaker' as label
from utterance_edits e
where e.video_id = %(video_id)s and e.kind = 'speaker' and e.undone_at is null
  and e.after ->> 'speaker' = e.after ->> 'speaker_name';

-- name: clips_without_model
-- Clips of somebody's voice that have no vector of a model, from one on.
select c.* from voice_clips c
left join recording_voices v on v.id = c.voice_id
where c.id > %(after)s and coalesce(c.speaker_id, v.speaker_id) is not null
  and not exists (
      select from speaker_embeddings e where e.id = any(c.voiceprint_ids) and e.model_key = %(model_key)s
  )
order by c.id
limit %(limit)s;

-- name: owners_of_clips
-- Whose clips are, while nobody changes that.
select c.id, coalesce(c.speaker_id, v.speaker_id) as owner_id, s.name is not null as is_known,
       c.speaker_id is not null or v.is_confirmed or s.name is null as in_profile, v.video_id, v.label
from voice_clips c
left join recording_voices v on v.id = c.voice_id
join speakers s on s.id = coalesce(c.speaker_id, v.speaker_id)
where c.id = any(%(ids)s::uuid[]);

-- name: samples_with
select c.speaker_id, s.name from voice_clips c join speakers s on s.id = c.speaker_id
where c.sample_sha256 = %(sha256)s
limit 1;

-- name: counts
select (select count(*) from speakers where name is not null) as people,
       (select count(*) from speakers where name is null) as groups,
       (select count(*) from recording_voices where state in ('cutting', 'waiting')) as waiting;
