-- name: lock
-- One at a time, for as long as this transaction; everything is made in `public`, whatever the role's own search path.
set local search_path = public;
select pg_advisory_xact_lock(7236837001);

-- name: is_new
select to_regclass('public.schema_migrations') is null as is_new;

-- name: create
create table public.schema_migrations (
    name text primary key,
    checksum text not null,
    applied_at timestamptz not null default clock_timestamp()
);
alter table public.schema_migrations enable row level security;
revoke all on table public.schema_migrations from public;

-- name: applied
select name, checksum from public.schema_migrations order by name;

-- name: record
insert into public.schema_migrations (name, checksum) values (%(name)s, %(checksum)s);
