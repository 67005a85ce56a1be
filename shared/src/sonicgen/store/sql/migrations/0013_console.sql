-- What the console keeps: jobs and their events, keys, limits, uploads, webhooks, waveforms, reviews.

-- A piece of work that somebody waits for. `alive_until` is its lease: whoever reads a running job whose lease is over
-- knows that its process is gone.
create table jobs (
    id uuid primary key,
    kind text not null check (kind in ('find')),
    state text not null default 'running' check (state in ('running', 'done', 'failed', 'cancelled')),
    owner text not null, -- who asked, as `access` names callers
    name text not null, -- the file's name or the link, for people
    request jsonb not null default '{}',
    result jsonb,
    problem jsonb,
    idempotency_key text,
    created_at timestamptz not null default clock_timestamp(),
    alive_until timestamptz not null,
    finished_at timestamptz,
    expires_at timestamptz not null,
    unique (owner, idempotency_key),
    constraint jobs_done_has_result check (state <> 'done' or result is not null),
    constraint jobs_failed_has_problem check (state <> 'failed' or problem is not null)
);

create index jobs_newest on jobs (created_at desc, id desc);
create index jobs_owner on jobs (owner, created_at desc, id desc);
create index jobs_expired on jobs (expires_at);

create table job_events (
    job_id uuid not null references jobs (id) on delete cascade,
    id integer not null check (id > 0), -- counts within its job; a reader names the last one that it saw
    event text not null check (event in ('progress', 'result', 'error')),
    data jsonb not null,
    made_at timestamptz not null default clock_timestamp(),
    primary key (job_id, id)
);

-- Keys of programs. The key itself is kept by its owner alone.
create table api_keys (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    role text not null check (role in ('viewer', 'labeller', 'admin')),
    hash bytea not null unique, -- SHA-256: a key holds 256 random bits, so nothing slower is needed
    hint text not null, -- its first characters, by which its owner knows it
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
);

-- How much each caller has asked lately, as one moment (GCRA): asking moves it ahead by the time that one request is
-- worth, and it may not lie further ahead than an hour. One row a caller, whatever they ask; old ones are swept.
create table rate_limits (
    subject text primary key, -- "find:key:<id>", "find:address:<address or /64>"
    used_until timestamptz not null
);

create index rate_limits_used_until on rate_limits (used_until);

-- What a request with an Idempotency-Key was answered, so that its repeat is answered the same.
create table idempotent_requests (
    owner text not null,
    key text not null,
    request_hash bytea not null,
    status integer, -- null: at work
    body jsonb,
    created_at timestamptz not null default clock_timestamp(),
    primary key (owner, key)
);

create index idempotent_requests_created on idempotent_requests (created_at);

-- Files that are on their way into a bucket, without passing through the console.
create table uploads (
    id uuid primary key,
    owner text not null,
    purpose text not null check (purpose in ('find', 'add')),
    bucket text not null,
    object_name text not null,
    name text not null,
    size_bytes bigint not null check (size_bytes > 0),
    created_at timestamptz not null default clock_timestamp()
);

create index uploads_created on uploads (created_at);

-- Whom to tell of what happens. The secret is needed to sign with, so it cannot be hashed.
create table webhooks (
    id uuid primary key default gen_random_uuid(),
    url text not null,
    secret text not null,
    events text[] not null check (cardinality(events) > 0),
    created_at timestamptz not null default clock_timestamp(),
    disabled_at timestamptz
);

create table webhook_deliveries (
    id uuid primary key default gen_random_uuid(),
    webhook_id uuid not null references webhooks (id) on delete cascade,
    event_id text not null,
    event text not null,
    body text not null,
    attempts integer not null default 0,
    next_attempt_at timestamptz default clock_timestamp(), -- null: delivered, or given up
    delivered_at timestamptz,
    last_answer text,
    created_at timestamptz not null default clock_timestamp(),
    unique (webhook_id, event_id)
);

create index webhook_deliveries_due on webhook_deliveries (next_attempt_at) where next_attempt_at is not null;
create index webhook_deliveries_newest on webhook_deliveries (webhook_id, created_at desc, id desc);

-- How loud a recording is over its length: what a waveform is drawn from. Made when somebody first looks.
create table waveforms (
    video_id uuid primary key references videos (id) on delete cascade,
    object_generation bigint not null,
    seconds double precision not null check (seconds >= 0),
    levels bytea not null, -- the largest amplitude in each of equal stretches, square root, 0 to 255
    created_at timestamptz not null default clock_timestamp()
);

-- What a person said of a match; null: nobody did.
alter table matches
    add column review text check (review in ('accepted', 'rejected')),
    add column reviewed_by text,
    add column reviewed_at timestamptz;

create index matches_unreviewed on matches (probability desc, id) where decision = 'unsure' and review is null;
create index videos_longest on videos ((coalesce(duration_seconds, -1)) desc, id desc);
create index videos_by_title on videos (lower(title), id);

select sonicgen_protect('table', 'public.jobs');
select sonicgen_protect('table', 'public.job_events');
select sonicgen_protect('table', 'public.api_keys');
select sonicgen_protect('table', 'public.rate_limits');
select sonicgen_protect('table', 'public.idempotent_requests');
select sonicgen_protect('table', 'public.uploads');
select sonicgen_protect('table', 'public.webhooks');
select sonicgen_protect('table', 'public.webhook_deliveries');
select sonicgen_protect('table', 'public.waveforms');
