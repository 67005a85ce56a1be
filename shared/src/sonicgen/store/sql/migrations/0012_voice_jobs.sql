-- Files whose voices somebody asked about over the API of the older voice service, and what was found in them.

create table voice_jobs (
    id uuid primary key,
    kind text not null check (kind in ('IDENTIFY', 'DIARIZE')),
    status text not null default 'PENDING' check (status in ('PENDING', 'RUNNING', 'DONE', 'FAILED')),
    owner text not null, -- who asked, and may see it
    input_object text not null, -- in the media bucket, until the job is over
    input_name text not null,
    exports_segments boolean not null default false,
    num_speakers_wanted integer check (num_speakers_wanted > 0),
    least_probability double precision check (least_probability > 0 and least_probability < 1),
    duration_seconds double precision,
    num_speakers integer,
    diarizer text,
    model text, -- name and version of the encoder that told the voices apart
    thresholds jsonb,
    error text,
    attempts integer not null default 0,
    created_at timestamptz not null default clock_timestamp(),
    started_at timestamptz,
    completed_at timestamptz,
    constraint voice_jobs_failed_has_reason check (status <> 'FAILED' or error is not null)
);

create index voice_jobs_newest on voice_jobs (created_at desc, id desc);
create index voice_jobs_owner on voice_jobs (owner, created_at desc, id desc);
create index voice_jobs_unfinished on voice_jobs (coalesce(started_at, created_at)) where status in ('PENDING', 'RUNNING');
create index voice_jobs_finished on voice_jobs (completed_at) where completed_at is not null;

-- Names are the speaker's own, read when they are asked for: a speaker who is renamed or forgotten is so here too.
create table voice_segments (
    id uuid primary key,
    job_id uuid not null references voice_jobs (id) on delete cascade,
    position integer not null,
    label text not null,
    start_seconds double precision not null check (start_seconds >= 0),
    end_seconds double precision not null check (end_seconds > start_seconds),
    speaker_id uuid references speakers (id) on delete set null,
    outcome text,
    confidence double precision check (confidence between 0 and 1),
    audio_object text, -- in the media bucket
    unique (job_id, position)
);

create index voice_segments_speaker on voice_segments (speaker_id);

select sonicgen_protect('table', 'public.voice_jobs');
select sonicgen_protect('table', 'public.voice_segments');
