-- What was said in recordings, what that cost, and what it saved.

-- Every move a transcript may make. Equal to TRANSCRIPT_MOVES of the domain (a test compares them).
create table transcript_moves (
    before text not null,
    after text not null,
    primary key (before, after)
);

insert into transcript_moves (before, after) values
    ('planned', 'submitting'), ('planned', 'waiting'), ('planned', 'inherited'), ('planned', 'ready'),
    ('planned', 'empty'), ('planned', 'failed'), ('planned', 'over_budget'), ('planned', 'skipped'),
    ('submitting', 'submitted'), ('submitting', 'planned'), ('submitting', 'failed'),
    ('submitted', 'processing'), ('submitted', 'waiting'), ('submitted', 'ready'), ('submitted', 'empty'),
    ('submitted', 'failed'),
    ('processing', 'waiting'), ('processing', 'ready'), ('processing', 'empty'), ('processing', 'failed'),
    ('waiting', 'inherited'), ('waiting', 'ready'), ('waiting', 'empty'), ('waiting', 'failed'), ('waiting', 'planned'),
    ('ready', 'planned'), ('ready', 'inherited'), ('ready', 'empty'),
    ('inherited', 'planned'), ('inherited', 'ready'), ('inherited', 'empty'),
    ('empty', 'planned'), ('empty', 'inherited'), ('empty', 'ready'),
    ('failed', 'planned'), ('over_budget', 'planned'), ('skipped', 'planned');

create table transcripts (
    id uuid primary key,
    video_id uuid not null unique references videos (id) on delete cascade,
    state text not null default 'planned' check (state in (
        'planned', 'submitting', 'submitted', 'processing', 'waiting', 'ready', 'inherited', 'empty', 'failed',
        'over_budget', 'skipped'
    )),
    reason text,
    reason_detail text,
    provider text check (provider in ('assemblyai', 'local')),
    provider_id text unique, -- the provider's name for its job
    submit_key uuid unique, -- ours, new for each submission; the webhook's address carries it
    audio_url text, -- what the provider was told to read: how a submission is found whose answer was lost
    audio_object text, -- the novel sound in the media bucket
    raw_object text, -- the provider's answer in the media bucket
    parts jsonb not null default '[]', -- time map: [start in the submitted sound, start in the recording, seconds]
    language text,
    speech_model text,
    paid_seconds double precision not null default 0 check (paid_seconds >= 0), -- sent to the provider
    inherited_seconds double precision not null default 0 check (inherited_seconds >= 0),
    omitted_seconds double precision not null default 0 check (omitted_seconds >= 0), -- neither sent nor inherited
    attempts integer not null default 0,
    revision integer not null default 0, -- counts each change of what is said
    submitted_at timestamptz,
    next_poll_at timestamptz,
    completed_at timestamptz,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    constraint transcripts_submission_has_key
        check (state not in ('submitting', 'submitted', 'processing') or submit_key is not null),
    constraint transcripts_submitted_has_id check (state not in ('submitted', 'processing') or provider_id is not null)
);

create index transcripts_polled on transcripts (next_poll_at) where state in ('submitting', 'submitted', 'processing');
create index transcripts_unsent on transcripts (state, updated_at) where state in ('planned', 'over_budget');
create index transcripts_spent on transcripts (submitted_at) where submitted_at is not null;

create function transcripts_check_move() returns trigger
language plpgsql set search_path = '' as $$
begin
    new.updated_at := clock_timestamp();
    if new.state <> old.state and not exists (
        select from public.transcript_moves m where m.before = old.state and m.after = new.state
    ) then
        raise exception 'A transcript that is % cannot become %.', old.state, new.state using errcode = 'SG001';
    end if;
    return new;
end
$$;

create trigger transcripts_check_move before update on transcripts
    for each row execute function transcripts_check_move();

-- Where the words of a stretch come from that another recording holds already.
create table transcript_sources (
    transcript_id uuid not null references transcripts (id) on delete cascade,
    position integer not null,
    source_video_id uuid not null, -- no foreign key: words that were inherited stay when the original is forgotten
    start_seconds double precision not null,
    end_seconds double precision not null check (end_seconds > start_seconds),
    source_start_seconds double precision not null,
    source_end_seconds double precision not null check (source_end_seconds > source_start_seconds),
    speed double precision not null check (speed > 0), -- 1.02: this recording plays the source two percent faster
    label_prefix text not null default '', -- keeps the speaker labels of several sources apart
    inherited_revision integer, -- the source's transcript that was taken over; null: not yet
    primary key (transcript_id, position)
);

create index transcript_sources_source on transcript_sources (source_video_id);

create table utterances (
    id bigint generated always as identity primary key,
    video_id uuid not null references videos (id) on delete cascade,
    transcript_id uuid not null references transcripts (id) on delete cascade,
    position integer not null,
    start_seconds double precision not null,
    end_seconds double precision not null check (end_seconds >= start_seconds),
    speaker text, -- label within the transcript
    speaker_name text,
    text text not null,
    language text,
    confidence real check (confidence between 0 and 1),
    inherited_from_video_id uuid,
    -- One array for each property of the words: 28 bytes a word on disk; the same as objects in jsonb takes 54, as
    -- arrays in jsonb 48 (measured on 360,000 words in utterances of 18).
    word_texts text[] not null default '{}',
    word_starts_ms integer[] not null default '{}',
    word_ends_ms integer[] not null default '{}',
    word_confidences smallint[] not null default '{}', -- thousandths
    word_speakers text[], -- null: all of them are the utterance's speaker
    unique (transcript_id, position) deferrable, -- so that lines can be numbered anew in one statement
    constraint utterances_words_are_whole check (
        cardinality(word_texts) = cardinality(word_starts_ms) and cardinality(word_texts) = cardinality(word_ends_ms)
        and cardinality(word_texts) = cardinality(word_confidences)
        and (word_speakers is null or cardinality(word_texts) = cardinality(word_speakers))
    )
);

create index utterances_video on utterances (video_id, start_seconds);

-- What people changed in lines. An edit outlives its line: when the transcript is fetched anew, the line that is said at
-- the same time takes it over (`utterance_id` is null until then, and stays null when there is none).
create table utterance_edits (
    id bigint generated always as identity primary key,
    utterance_id bigint references utterances (id) on delete set null,
    video_id uuid not null references videos (id) on delete cascade,
    start_seconds double precision not null,
    end_seconds double precision not null,
    kind text not null check (kind in ('text', 'speaker')),
    before jsonb not null, -- the columns of the line that the edit replaced
    after jsonb not null, -- what it put there
    edited_by text not null,
    edited_at timestamptz not null default clock_timestamp(),
    undone_at timestamptz
);

create index utterance_edits_utterance on utterance_edits (utterance_id, id);
create index utterance_edits_video on utterance_edits (video_id, id);

-- What was paid and what was saved. No foreign keys: the books stay when a recording is forgotten.
create table cost_ledger (
    id bigint generated always as identity primary key,
    key text not null unique, -- the same effect has the same key, so that a repeat books nothing
    day date not null,
    video_id uuid not null,
    title text not null,
    channel_id text,
    kind text not null check (kind in ('transcribed', 'inherited', 'omitted')),
    seconds double precision not null check (seconds >= 0),
    price_per_hour numeric(12, 6) not null check (price_per_hour >= 0),
    amount numeric(16, 6) not null check (amount >= 0), -- transcribed: spent; inherited, omitted: saved
    currency text not null,
    provider text not null,
    created_at timestamptz not null default clock_timestamp()
);

create index cost_ledger_day on cost_ledger (day);
create index cost_ledger_video on cost_ledger (video_id);
create index cost_ledger_channel on cost_ledger (channel_id, day);

select sonicgen_protect('function', 'public.transcripts_check_move()');
select sonicgen_protect('table', 'public.transcript_moves');
select sonicgen_protect('table', 'public.transcripts');
select sonicgen_protect('table', 'public.transcript_sources');
select sonicgen_protect('table', 'public.utterances');
select sonicgen_protect('table', 'public.utterance_edits');
select sonicgen_protect('table', 'public.cost_ledger');
