-- name: add
insert into api_keys (name, role, hash, hint, expires_at)
values (%(name)s, %(role)s, %(hash)s, %(hint)s, clock_timestamp() + make_interval(secs => %(life_seconds)s))
returning *;

-- name: use
-- The time of use is for people, so it is written once a minute and not with every request.
with used as (
    update api_keys set last_used_at = clock_timestamp()
    where hash = %(hash)s and revoked_at is null
      and (last_used_at is null or last_used_at < clock_timestamp() - interval '1 minute')
)
select * from api_keys
where hash = %(hash)s and revoked_at is null and (expires_at is null or expires_at > clock_timestamp());

-- name: list
select * from api_keys order by created_at, id;

-- name: revoke
update api_keys set revoked_at = coalesce(revoked_at, clock_timestamp()) where id = %(id)s returning *;
