-- What was found, and who or what decided it.

create table matches (
    id uuid primary key default gen_random_uuid(),
    video_id uuid not null references videos (id) on delete cascade, -- the query
    reference_video_id uuid not null references videos (id) on delete cascade,
    query_start_seconds double precision not null,
    query_end_seconds double precision not null check (query_end_seconds >= query_start_seconds),
    reference_start_seconds double precision not null,
    reference_end_seconds double precision not null check (reference_end_seconds >= reference_start_seconds),
    speed double precision not null check (speed > 0),
    pitch double precision not null check (pitch > 0),
    score double precision not null,
    probability double precision not null check (probability between 0 and 1),
    log10_chance double precision not null,
    decision text not null check (decision in ('match', 'unsure')),
    decided_by text not null,
    created_at timestamptz not null default clock_timestamp(),
    constraint matches_not_itself check (video_id <> reference_video_id)
);

create index matches_video on matches (video_id, query_start_seconds);
create index matches_reference on matches (reference_video_id, video_id);

-- Subjects are ids without foreign keys: the record of a decision outlives what it was about.
create table decisions (
    id uuid primary key default gen_random_uuid(),
    kind text not null,
    subject_ids uuid[] not null,
    decided_by text not null,
    thresholds jsonb not null default '{}',
    made_at timestamptz not null default clock_timestamp(),
    undone_at timestamptz
);

create index decisions_subjects on decisions using gin (subject_ids);

select sonicgen_protect('table', 'public.matches');
select sonicgen_protect('table', 'public.decisions');
