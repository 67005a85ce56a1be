-- name: begin
insert into enrolments (id, name, created_by) values (%(id)s, %(name)s, %(created_by)s);

-- name: put_sample
insert into enrolment_samples (
    enrolment_id, position, file_name, sha256, duration_seconds, speech_seconds, reason, reason_detail
) values (
    %(enrolment_id)s, %(position)s, %(file_name)s, %(sha256)s, %(duration_seconds)s, %(speech_seconds)s, %(reason)s,
    %(reason_detail)s
)
on conflict (enrolment_id, position) do update set
    reason = excluded.reason, reason_detail = excluded.reason_detail;

-- name: finish
update enrolments set
    state = %(state)s, reason = %(reason)s, reason_detail = %(reason_detail)s, speaker_id = %(speaker_id)s,
    finished_at = clock_timestamp()
where id = %(id)s and state = 'pending'
returning id;

-- name: get
select * from enrolments where id = %(id)s;

-- name: samples
select * from enrolment_samples where enrolment_id = %(id)s order by position;

-- name: newest
select * from enrolments order by created_at desc, id limit %(limit)s;

-- name: interrupted
select id from enrolments
where state = 'pending' and created_at < clock_timestamp() - make_interval(secs => %(older_than_seconds)s)
order by created_at
limit %(limit)s;
