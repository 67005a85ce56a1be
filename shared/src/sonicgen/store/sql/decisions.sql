-- name: record
insert into decisions (kind, subject_ids, decided_by, thresholds)
values (%(kind)s, %(subject_ids)s::uuid[], %(decided_by)s, %(thresholds)s)
returning *;

-- name: undo
update decisions set undone_at = coalesce(undone_at, clock_timestamp()) where id = %(id)s returning *;

-- name: about
select * from decisions where subject_ids @> array[%(subject_id)s::uuid] order by made_at, id;
