-- name: delete_own
delete from utterances where transcript_id = %(transcript_id)s and inherited_from_video_id is null;

-- name: delete_inherited
delete from utterances where transcript_id = %(transcript_id)s and inherited_from_video_id = %(source_id)s;

-- name: insert
-- The position is given by `number_anew`; until then it is one that nothing has.
insert into utterances (
    video_id, transcript_id, position, start_seconds, end_seconds, speaker, speaker_name, text, language, confidence,
    inherited_from_video_id, word_texts, word_starts_ms, word_ends_ms, word_confidences, word_speakers
) values (
    %(video_id)s, %(transcript_id)s,
    (select coalesce(max(position), -1) + 1 from utterances where transcript_id = %(transcript_id)s),
    %(start_seconds)s, %(end_seconds)s, %(speaker)s, %(speaker_name)s, %(text)s, %(language)s, %(confidence)s,
    %(inherited_from)s, %(word_texts)s::text[], %(word_starts_ms)s::integer[], %(word_ends_ms)s::integer[],
    %(word_confidences)s::smallint[], %(word_speakers)s::text[]
);

-- name: number_anew
update utterances u set position = n.position
from (
    select id, row_number() over (order by start_seconds, end_seconds, id) - 1 as position
    from utterances where transcript_id = %(transcript_id)s
) n
where n.id = u.id and n.position <> u.position;

-- name: of_video
select * from utterances where video_id = %(video_id)s order by position;

-- name: within
select * from utterances
where video_id = %(video_id)s and end_seconds > %(start_seconds)s and start_seconds < %(end_seconds)s
order by position;

-- name: summary
select count(*) as lines, count(*) filter (where inherited_from_video_id is null) as own_lines,
       coalesce(array_agg(distinct speaker order by speaker) filter (where speaker is not null), '{}') as speakers
from utterances where video_id = %(video_id)s;
