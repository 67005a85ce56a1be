-- name: add
insert into uploads (id, owner, purpose, bucket, object_name, name, size_bytes)
values (%(id)s, %(owner)s, %(purpose)s, %(bucket)s, %(object_name)s, %(name)s, %(size_bytes)s)
returning *;

-- name: get
select * from uploads where id = %(id)s and owner = %(owner)s;

-- name: remove
delete from uploads where id = %(id)s;

-- name: old
select * from uploads where created_at < clock_timestamp() - interval '1 day' order by created_at limit %(limit)s;
