-- Who speaks: people and groups of unknown voices, where each is heard, what was decided and what a person agreed to.

-- A person, or (without a name) a group of voices that are one person's whom nobody has named yet. Their vectors are
-- the gallery's (0010), which knows a speaker by this id.
create table speakers (
    id uuid primary key default gen_random_uuid(),
    number bigint generated always as identity unique, -- what a nameless one is called
    name text,
    name_key text unique, -- the name without case, width and spaces
    skipped_at timestamptz, -- when somebody last had no name for it
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    constraint speakers_key_of_name check ((name is null) = (name_key is null))
);

create table speaker_aliases (
    key text primary key,
    alias text not null,
    speaker_id uuid not null references speakers (id) on delete cascade
);

create index speaker_aliases_speaker on speaker_aliases (speaker_id);

-- Whom an unknown voice is not, as somebody said.
create table speaker_rejections (
    speaker_id uuid not null references speakers (id) on delete cascade,
    rejected_id uuid not null references speakers (id) on delete cascade,
    primary key (speaker_id, rejected_id)
);

create table consents (
    id uuid primary key default gen_random_uuid(),
    speaker_id uuid not null references speakers (id) on delete cascade,
    given_by text not null, -- the person, or who may speak for them
    purpose text not null,
    given_at timestamptz not null,
    recorded_by text not null,
    recorded_at timestamptz not null default clock_timestamp()
);

create index consents_speaker on consents (speaker_id);

-- One speaker label of a recording's transcript.
create table recording_voices (
    id uuid primary key,
    video_id uuid not null references videos (id) on delete cascade,
    label text not null,
    state text not null default 'cutting' check (state in ('cutting', 'waiting', 'unheard', 'assigned', 'erased')),
    turn_starts double precision[] not null default '{}',
    turn_ends double precision[] not null default '{}',
    speech_seconds double precision not null default 0 check (speech_seconds >= 0),
    speaker_id uuid references speakers (id) on delete set null,
    source_id uuid references recording_voices (id) on delete set null, -- whose person a copy's voice takes over
    outcome text,
    probability double precision check (probability between 0 and 1),
    margin double precision,
    cosine double precision,
    suggested_id uuid references speakers (id) on delete set null,
    model text,
    thresholds jsonb,
    decided_by text,
    is_confirmed boolean not null default false, -- a person said so
    clips_digest text, -- of what the clips were cut by
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    unique (video_id, label),
    constraint recording_voices_turns_are_whole check (cardinality(turn_starts) = cardinality(turn_ends)),
    constraint recording_voices_erased_is_nobody check (state <> 'erased' or speaker_id is null)
);

create index recording_voices_speaker on recording_voices (speaker_id);
create index recording_voices_source on recording_voices (source_id);
create index recording_voices_suggested on recording_voices (suggested_id);
create index recording_voices_stale on recording_voices (state, updated_at) where state in ('cutting', 'waiting');

-- What somebody asked to be enrolled, and what became of it. Only `enrolled` ones have a speaker.
create table enrolments (
    id uuid primary key,
    name text not null,
    state text not null default 'pending' check (state in ('pending', 'enrolled', 'refused', 'failed')),
    reason text,
    reason_detail text,
    speaker_id uuid references speakers (id) on delete cascade,
    created_by text not null,
    created_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    constraint enrolments_enrolled_is_somebody check ((state = 'enrolled') = (speaker_id is not null))
);

create index enrolments_speaker on enrolments (speaker_id);
create index enrolments_pending on enrolments (created_at) where state = 'pending';

create table enrolment_samples (
    enrolment_id uuid not null references enrolments (id) on delete cascade,
    position integer not null,
    file_name text not null,
    sha256 text,
    duration_seconds double precision,
    speech_seconds double precision,
    reason text, -- why it was refused
    reason_detail text,
    primary key (enrolment_id, position)
);

create index enrolment_samples_content on enrolment_samples (sha256);

-- Speech of one voice alone in the media bucket: of a recording's voice, or of a sample that somebody was enrolled with.
create table voice_clips (
    id uuid primary key,
    voice_id uuid references recording_voices (id) on delete cascade,
    speaker_id uuid references speakers (id) on delete cascade,
    object_name text not null unique,
    start_seconds double precision not null,
    end_seconds double precision not null check (end_seconds > start_seconds),
    sample_sha256 text,
    voiceprint_ids uuid[] not null default '{}', -- in the gallery, one a model
    created_at timestamptz not null default clock_timestamp(),
    constraint voice_clips_of_one check ((voice_id is null) <> (speaker_id is null))
);

create index voice_clips_voice on voice_clips (voice_id);
create index voice_clips_speaker on voice_clips (speaker_id);
create index voice_clips_sample on voice_clips (sample_sha256) where sample_sha256 is not null;

-- What a decision about speakers replaced, so that it can be undone.
create table speaker_changes (
    decision_id uuid primary key references decisions (id) on delete cascade,
    sequence bigint generated always as identity unique,
    kind text not null,
    speaker_ids uuid[] not null, -- every speaker it touched
    before jsonb not null,
    after jsonb not null
);

create index speaker_changes_speakers on speaker_changes using gin (speaker_ids);

-- That somebody was forgotten, and what that removed; nothing here says who it was.
create table erasures (
    id uuid primary key default gen_random_uuid(),
    erased_by text not null,
    erased_at timestamptz not null default clock_timestamp(),
    removed jsonb not null,
    objects text[] not null default '{}' -- in the bucket, still to be removed
);

create index erasures_unfinished on erasures (erased_at) where objects <> '{}';

-- Models whose vectors are complete, so that voices may be compared with them.
create table voice_models (
    key text primary key,
    name text not null,
    version text not null,
    dimension integer not null,
    slope double precision not null, -- its own calibration: log-odds of one voice = slope * cosine + offset
    "offset" double precision not null,
    in_service_since timestamptz not null default clock_timestamp()
);

-- Where a speaker's id or names still stand: every column of every table but what was said and how recordings are
-- called, which are not ours to change. A name counts as a whole value, or as a whole string inside JSON or an array;
-- one of up to three letters does not count where providers put their labels ("A", "B").
create function sonicgen_traces(p_id uuid, p_names text[]) returns table (place text, hits bigint)
language plpgsql stable set search_path = public as $$
declare
    r_column record;
    r_test text;
    r_hits bigint;
begin
    for r_column in
        select c.table_name, c.column_name, c.data_type
        from information_schema.columns c
        join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name
        where c.table_schema = 'public' and t.table_type = 'BASE TABLE'
          and c.data_type in ('uuid', 'text', 'jsonb', 'ARRAY') and c.udt_name <> '_float8'
          and (c.table_name, c.column_name) not in (
              ('utterances', 'text'), ('utterances', 'word_texts'), ('videos', 'title'), ('videos', 'description'),
              ('videos', 'object_name'), ('channels', 'title'), ('sources', 'title'), ('cost_ledger', 'title')
          )
    loop
        r_test := case r_column.data_type
            when 'uuid' then format('%I = $1', r_column.column_name)
            when 'text' then format(
                'lower(%1$I) = any(%2$s) or %1$I = $1::text', r_column.column_name,
                case when r_column.column_name in ('speaker', 'label', 'voice') then '$5' else '$3' end
            )
            else format(
                'position($1::text in %1$I::text) > 0 '
                'or exists (select from unnest($4) q where position(q in lower(%1$I::text)) > 0)',
                r_column.column_name
            )
        end;
        execute format('select count(*) from %I where %s', r_column.table_name, r_test) into r_hits
        using p_id, null::text, array(select lower(n) from unnest(p_names) n),
            array(select lower(to_jsonb(n)::text) from unnest(p_names) n),
            array(select lower(n) from unnest(p_names) n where length(n) > 3);
        if r_hits > 0 then
            place := r_column.table_name || '.' || r_column.column_name;
            hits := r_hits;
            return next;
        end if;
    end loop;
end
$$;

-- Which state of a transcript its voices were read from; whatever differs is read anew.
alter table transcripts add column voices_revision integer;

create index transcripts_unheard on transcripts (updated_at)
    where state in ('ready', 'inherited') and voices_revision is distinct from revision;

create function speakers_touch() returns trigger
language plpgsql set search_path = '' as $$
begin
    new.updated_at := clock_timestamp();
    return new;
end
$$;

create trigger speakers_touch before update on speakers for each row execute function speakers_touch();
create trigger recording_voices_touch before update on recording_voices for each row execute function speakers_touch();

select sonicgen_protect('function', 'public.speakers_touch()');
select sonicgen_protect('table', 'public.speakers');
select sonicgen_protect('table', 'public.speaker_aliases');
select sonicgen_protect('table', 'public.speaker_rejections');
select sonicgen_protect('table', 'public.consents');
select sonicgen_protect('table', 'public.recording_voices');
select sonicgen_protect('table', 'public.enrolments');
select sonicgen_protect('table', 'public.enrolment_samples');
select sonicgen_protect('table', 'public.voice_clips');
select sonicgen_protect('table', 'public.speaker_changes');
select sonicgen_protect('table', 'public.erasures');
select sonicgen_protect('table', 'public.voice_models');
select sonicgen_protect('function', 'public.sonicgen_traces(uuid, text[])');
