-- name: delete_of
delete from matches where video_id = %(video_id)s;

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

-- name: restore_review
update matches set id = %(match_id)s, review = %(review)s, reviewed_by = %(reviewed_by)s, reviewed_at = %(reviewed_at)s
where id = %(id)s;
