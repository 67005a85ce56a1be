-- Backfills: what lies somewhere already, brought in piece by piece; and recordings that are heard anew.

create table backfills (
    id uuid primary key,
    kind text not null check (kind in ('files', 'refingerprint')),
    source text not null, -- gs://bucket/prefix, the name of a list, or the version
    state text not null default 'running' check (state in ('running', 'paused', 'done')),
    reason text, -- why it is paused, for people
    takes_all boolean not null default false, -- also what is no recording by its name
    listed_after text, -- how far the listing is
    is_listed boolean not null default false,
    recordings_per_minute double precision check (recordings_per_minute > 0),
    hours_per_minute double precision check (hours_per_minute > 0),
    most_files bigint check (most_files > 0),
    most_hours double precision check (most_hours > 0),
    most_cost numeric check (most_cost > 0),
    price_per_hour numeric not null default 0, -- of every hour of sound that is read
    novel_price_per_hour numeric not null default 0, -- and of what is no copy, besides
    currency text not null default 'USD',
    next_at timestamptz not null default clock_timestamp(), -- nothing is begun before it: the rate
    listed bigint not null default 0,
    known bigint not null default 0,
    done bigint not null default 0,
    failed bigint not null default 0,
    seconds double precision not null default 0, -- of sound, of what is done
    cost numeric not null default 0, -- as estimated
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz
);

create table backfill_items (
    backfill_id uuid not null references backfills (id) on delete cascade,
    position bigint generated always as identity,
    address text not null, -- gs://bucket/name, a path on this machine, or a recording's id
    state text not null default 'waiting' check (state in ('waiting', 'known', 'done', 'failed')),
    outcome text, -- the recording's state, or what became of it
    detail text,
    recording_id uuid,
    seconds double precision,
    attempts integer not null default 0,
    claimed_by text,
    claimed_until timestamptz, -- of a waiting one: somebody is at it until then
    not_before timestamptz, -- of a waiting one: it failed and rests
    finished_at timestamptz,
    primary key (backfill_id, position),
    unique (backfill_id, address)
);

create index backfill_items_waiting on backfill_items (backfill_id, position) where state = 'waiting';
create index backfill_items_claimed on backfill_items (backfill_id, claimed_by)
    where state = 'waiting' and claimed_by is not null;
create index backfill_items_failed on backfill_items (backfill_id, position) where state = 'failed';

select sonicgen_protect('table', 'public.backfills');
select sonicgen_protect('table', 'public.backfill_items');
