-- name: delete_of
-- What a person said stays: a match that was reviewed is brought up to date by the one that is found in its place.
delete from matches where video_id = %(video_id)s and review is null;

-- name: renew_reviewed
update matches m set
    query_start_seconds = %(query_start_seconds)s, query_end_seconds = %(query_end_seconds)s,
    reference_start_seconds = %(reference_start_seconds)s, reference_end_seconds = %(reference_end_seconds)s,
    speed = %(speed)s, pitch = %(pitch)s, score = %(score)s, probability = %(probability)s,
    log10_chance = %(log10_chance)s, decision = %(decision)s, decided_by = %(decided_by)s
where m.id = (
    select r.id from matches r
    where r.video_id = %(video_id)s and r.reference_video_id = %(reference_id)s and r.review is not null
      and r.id <> all(%(renewed)s::uuid[])
      and least(r.query_end_seconds, %(query_end_seconds)s) - greatest(r.query_start_seconds, %(query_start_seconds)s)
          > 0.5 * least(r.query_end_seconds - r.query_start_seconds, %(query_end_seconds)s - %(query_start_seconds)s)
      and least(r.reference_end_seconds, %(reference_end_seconds)s)
          > greatest(r.reference_start_seconds, %(reference_start_seconds)s)
    order by r.query_start_seconds, r.id limit 1
)
returning m.id;

-- name: delete_pair
delete from matches where video_id = %(video_id)s and reference_video_id = %(reference_id)s;

-- name: insert
insert into matches (
    video_id, reference_video_id, query_start_seconds, query_end_seconds, reference_start_seconds,
    reference_end_seconds, speed, pitch, score, probability, log10_chance, decision, decided_by
) values (
    %(video_id)s, %(reference_id)s, %(query_start_seconds)s, %(query_end_seconds)s, %(reference_start_seconds)s,
    %(reference_end_seconds)s, %(speed)s, %(pitch)s, %(score)s, %(probability)s, %(log10_chance)s, %(decision)s,
    %(decided_by)s
);

-- name: of
select * from matches where video_id = %(video_id)s order by query_start_seconds, id;

-- name: copies_of
select * from matches where reference_video_id = %(video_id)s order by reference_start_seconds, id;

-- name: get
select * from matches where id = %(id)s;

-- name: page
select * from matches
where (%(decision)s::text is null or decision = %(decision)s)
  and (%(review)s::text is null or coalesce(review, 'none') = %(review)s)
  and (%(video_id)s::uuid is null or video_id = %(video_id)s or reference_video_id = %(video_id)s)
  and (%(after_probability)s::double precision is null
       or probability < %(after_probability)s or (probability = %(after_probability)s and id > %(after_id)s))
order by probability desc, id
limit %(limit)s;

-- name: set_review
update matches set review = %(review)s, reviewed_by = %(reviewed_by)s,
    reviewed_at = case when %(review)s::text is null then null else clock_timestamp() end
where id = %(id)s
returning *;
