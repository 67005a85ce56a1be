-- name: plan
-- Without a target: two that plan at once meet at the primary key or at video_id, whichever comes first.
insert into transcripts (
    id, video_id, state, parts, paid_seconds, inherited_seconds, omitted_seconds
) values (
    %(id)s, %(video_id)s, 'planned', %(parts)s, %(paid_seconds)s, 0, %(omitted_seconds)s
)
on conflict do nothing
returning *;

-- name: plan_anew
-- What is under way or complete stays as it is: it was paid for. What came to nothing is planned anew, and so is what
-- waits for others' words alone: the one it waits for may have been forgotten, and the recording decided anew.
update transcripts set
    state = 'planned', reason = null, reason_detail = null, provider = null, provider_id = null, submit_key = null,
    audio_url = null, audio_object = null, raw_object = null, parts = %(parts)s, language = null,
    speech_model = null, paid_seconds = %(paid_seconds)s, inherited_seconds = 0,
    omitted_seconds = %(omitted_seconds)s, attempts = 0, submitted_at = null, next_poll_at = null,
    completed_at = null
where video_id = %(video_id)s
    and (state in ('failed', 'skipped', 'over_budget') or (state = 'waiting' and provider_id is null))
returning *;

-- name: delete_sources
delete from transcript_sources where transcript_id = %(id)s;

-- name: insert_source
insert into transcript_sources (
    transcript_id, position, source_video_id, start_seconds, end_seconds, source_start_seconds, source_end_seconds,
    speed, label_prefix
) values (
    %(transcript_id)s, %(position)s, %(source_id)s, %(start_seconds)s, %(end_seconds)s, %(source_start_seconds)s,
    %(source_end_seconds)s, %(speed)s, %(label_prefix)s
);

-- name: of_video
select * from transcripts where video_id = %(video_id)s;

-- name: of_video_locked
select * from transcripts where video_id = %(video_id)s for update;

-- name: by_submission
-- By the provider's name of the job, or by ours while the provider's is not on record yet.
select * from transcripts
where provider_id = %(provider_id)s
   or (submit_key = %(submit_key)s and (provider_id is null or %(provider_id)s::text is null))
order by (provider_id = %(provider_id)s) desc nulls last
limit 1;

-- name: sources
select s.*, v.id is not null as is_known, t.state as source_state, t.revision as source_revision,
       v.match_status as source_status
from transcript_sources s
left join videos v on v.id = s.source_video_id
left join transcripts t on t.video_id = s.source_video_id
where s.transcript_id = %(transcript_id)s
order by s.position;

-- name: heirs
-- Whose transcripts take something over from this recording.
select distinct t.video_id from transcript_sources s join transcripts t on t.id = s.transcript_id
where s.source_video_id = %(video_id)s
order by t.video_id;

-- name: awaits
-- Whether a transcript that is not complete takes something over from a recording.
select exists (
    select from transcripts t join transcript_sources s on s.transcript_id = t.id
    where t.video_id = %(video_id)s and s.source_video_id = %(source_id)s
      and t.state not in ('ready', 'inherited', 'empty')
) as awaits;

-- name: mark_inherited
update transcript_sources set inherited_revision = %(revision)s
where transcript_id = %(transcript_id)s and source_video_id = %(source_id)s;

-- name: begin_submission
-- Written before the provider is called; the call's answer may be lost.
update transcripts set
    state = 'submitting', reason = null, reason_detail = null, provider = %(provider)s, submit_key = %(submit_key)s,
    audio_object = %(audio_object)s, audio_url = %(audio_url)s, parts = %(parts)s, paid_seconds = %(paid_seconds)s,
    omitted_seconds = %(omitted_seconds)s, attempts = attempts + 1,
    submitted_at = clock_timestamp(),
    next_poll_at = clock_timestamp() + make_interval(secs => %(poll_after_seconds)s)
where id = %(id)s and state = 'planned'
returning *;

-- name: omit_parts
-- What was to be sent is silent.
update transcripts set parts = '[]', paid_seconds = 0, omitted_seconds = omitted_seconds + %(seconds)s
where id = %(id)s and state = 'planned';

-- name: finish_submission
update transcripts set
    state = 'submitted', provider_id = %(provider_id)s,
    next_poll_at = clock_timestamp() + make_interval(secs => %(poll_after_seconds)s)
where id = %(id)s and state = 'submitting' and submit_key = %(submit_key)s
returning *;

-- name: withdraw_submission
-- The provider does not have it: it can be sent again.
update transcripts set
    state = 'planned', submit_key = null, audio_url = null, submitted_at = null, next_poll_at = null
where id = %(id)s and state = 'submitting' and submit_key = %(submit_key)s
returning *;

-- name: poll_again
update transcripts set
    state = case when state = 'submitted' and %(is_processing)s then 'processing' else state end,
    next_poll_at = clock_timestamp() + make_interval(secs => %(poll_after_seconds)s)
where id = %(id)s;

-- name: finish
update transcripts set
    state = %(state)s,
    reason = %(reason)s,
    reason_detail = %(reason_detail)s,
    provider_id = coalesce(%(provider_id)s, provider_id),
    raw_object = coalesce(%(raw_object)s, raw_object),
    language = coalesce(%(language)s, language),
    speech_model = coalesce(%(speech_model)s, speech_model),
    inherited_seconds = coalesce(%(inherited_seconds)s, inherited_seconds),
    revision = revision + case when %(is_changed)s then 1 else 0 end,
    next_poll_at = null,
    completed_at = case when %(is_complete)s then clock_timestamp() end
where id = %(id)s
returning *;

-- name: plan_again
update transcripts set state = 'planned', reason = null, reason_detail = null
where id = %(id)s and state in ('over_budget', 'skipped', 'failed')
returning *;

-- name: due_for_poll
select * from transcripts
where state in ('submitting', 'submitted', 'processing') and next_poll_at <= clock_timestamp()
order by next_poll_at
limit %(limit)s;

-- name: unsent
-- What was planned and never sent, or sent back by a budget of a day that is over.
select * from transcripts
where (state = 'planned' and updated_at < clock_timestamp() - make_interval(secs => %(older_than_seconds)s))
   or (state = 'over_budget' and updated_at < %(day)s)
order by updated_at
limit %(limit)s;

-- name: stale_waiting
select * from transcripts
where state = 'waiting' and updated_at < clock_timestamp() - make_interval(secs => %(older_than_seconds)s)
order by updated_at
limit %(limit)s;

-- name: lock_budget
-- One at a time may look at what is spent and add to it.
select pg_advisory_xact_lock(723, 1);

-- name: spent_seconds
select coalesce(sum(t.paid_seconds), 0)::double precision as day,
       coalesce(sum(t.paid_seconds) filter (
           where v.channel_id is not distinct from (select channel_id from videos where id = %(video_id)s)
       ), 0)::double precision as channel
from transcripts t
join videos v on v.id = t.video_id
where t.submitted_at >= %(day)s and t.state not in ('failed', 'planned', 'over_budget', 'skipped');

-- name: with_old_objects
select * from transcripts
where completed_at < clock_timestamp() - make_interval(days => %(days)s)
  and (raw_object is not null or audio_object is not null)
order by completed_at
limit %(limit)s;

-- name: forget_objects
update transcripts set raw_object = null, audio_object = null where id = %(id)s;
