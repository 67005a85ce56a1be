-- name: line_at
select * from utterances where video_id = %(video_id)s and position = %(position)s for update;

-- name: positions
select count(*) as count from utterances where video_id = %(video_id)s;

-- name: voices
-- Who speaks in a recording: each label with the name that most of its lines have.
select speaker, mode() within group (order by speaker_name) as name
from utterances where video_id = %(video_id)s and speaker is not null
group by speaker order by speaker;

-- name: record
insert into utterance_edits (utterance_id, video_id, start_seconds, end_seconds, kind, before, after, edited_by)
select u.id, u.video_id, u.start_seconds, u.end_seconds, %(kind)s,
    (select jsonb_object_agg(c.key, c.value) from jsonb_each(to_jsonb(u)) c where %(after)s::jsonb ? c.key),
    %(after)s, %(edited_by)s
from utterances u where u.id = %(utterance_id)s
returning *;

-- name: put
update utterances u set
    (text, speaker, speaker_name, word_texts, word_starts_ms, word_ends_ms, word_confidences, word_speakers) = (
        select r.text, r.speaker, r.speaker_name, r.word_texts, r.word_starts_ms, r.word_ends_ms, r.word_confidences,
            r.word_speakers
        from jsonb_populate_record(u, %(state)s::jsonb) r
    )
where u.id = %(utterance_id)s
returning *;

-- name: undo
update utterance_edits set undone_at = clock_timestamp()
where id = (select max(id) from utterance_edits where utterance_id = %(utterance_id)s and undone_at is null)
returning *;

-- name: history
select e.*, u.position from utterance_edits e left join utterances u on u.id = e.utterance_id
where e.video_id = %(video_id)s and (%(position)s::integer is null or u.position = %(position)s)
order by e.id;

-- name: touch
update transcripts set revision = revision + 1 where video_id = %(video_id)s;

-- name: homeless
select * from utterance_edits where video_id = %(video_id)s and utterance_id is null order by id;

-- name: successor
-- The line that is said when an edited one was: at least half of the longer of the two is common to both.
select u.* from utterances u
where u.video_id = %(video_id)s and u.start_seconds < %(end_seconds)s and u.end_seconds > %(start_seconds)s
  and least(u.end_seconds, %(end_seconds)s) - greatest(u.start_seconds, %(start_seconds)s)
      >= greatest(u.end_seconds - u.start_seconds, %(end_seconds)s - %(start_seconds)s) / 2
order by least(u.end_seconds, %(end_seconds)s) - greatest(u.start_seconds, %(start_seconds)s) desc, u.id
limit 1;

-- name: move
update utterance_edits e set
    utterance_id = u.id,
    start_seconds = u.start_seconds,
    end_seconds = u.end_seconds,
    before = case when e.undone_at is null
        then (select jsonb_object_agg(c.key, c.value) from jsonb_each(to_jsonb(u)) c where e.after ? c.key)
        else e.before end
from utterances u
where e.id = %(id)s and u.id = %(utterance_id)s;
