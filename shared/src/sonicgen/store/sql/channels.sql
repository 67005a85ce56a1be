-- name: title_of
select title from channels where id = %(id)s;

-- name: list
select id, title from channels order by lower(title), id limit %(limit)s;
