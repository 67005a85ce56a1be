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
