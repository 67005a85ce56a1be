-- The gallery: vectors of voices, and each speaker's profile, which is made from them and never written by hand.

create extension if not exists vector;

create table speaker_embeddings (
    id uuid primary key, -- derived from model and source
    model text not null,
    version text not null,
    dim integer not null check (dim > 0),
    model_key text not null generated always as (model || '-' || version) stored,
    embedding vector not null, -- of length one
    duration_seconds double precision not null check (duration_seconds > 0), -- of speech
    source text not null, -- what it was made from
    speaker_id uuid, -- null: nobody said yet whose it is
    is_known boolean not null default false, -- the speaker has a name, and is not a group of unknown voices
    in_profile boolean not null default true,
    video_id uuid references videos (id) on delete cascade,
    voice text, -- the label within the recording
    created_at timestamptz not null default clock_timestamp(),
    constraint speaker_embeddings_has_its_dimension check (vector_dims(embedding) = dim)
);

create index speaker_embeddings_speaker on speaker_embeddings (speaker_id, model_key);
create index speaker_embeddings_video on speaker_embeddings (video_id);
create index speaker_embeddings_model on speaker_embeddings (model_key, id);

-- The mean of a speaker's unit vectors, weighted by speech: what a voice is compared with. Rows of different models are
-- never compared, so there is one for each model.
create table speaker_profiles (
    model_key text not null,
    speaker_id uuid not null,
    model text not null,
    version text not null,
    dim integer not null,
    embedding vector not null, -- of length one
    is_known boolean not null,
    duration_seconds double precision not null,
    embeddings integer not null,
    is_offered boolean not null default false, -- an index outside this database may hold it, in this or an older form
    is_settled boolean not null default false, -- that index holds it in this form
    changed_at timestamptz not null default clock_timestamp(),
    primary key (model_key, speaker_id)
);

create index speaker_profiles_speaker on speaker_profiles (speaker_id);
create index speaker_profiles_kind on speaker_profiles (model_key, is_known);
create index speaker_profiles_changed on speaker_profiles (model_key, changed_at);
create index speaker_profiles_unsettled on speaker_profiles (model_key, speaker_id) where not is_settled;

-- Profiles that are gone from here and that an index outside may still hold.
create table speaker_profile_removals (
    model_key text not null,
    speaker_id uuid not null,
    removed_at timestamptz not null default clock_timestamp(),
    primary key (model_key, speaker_id)
);

-- What the user's own labelled voices say about a model; the encoder's own calibration counts where there is none.
create table voice_calibrations (
    model_key text primary key,
    model text not null,
    version text not null,
    slope double precision not null check (slope > 0),
    "offset" double precision not null,
    figures jsonb not null,
    fitted_at timestamptz not null default clock_timestamp()
);

-- Lets a large model's profiles be searched through a graph (HNSW), or (p_wanted false) no longer; returns its name.
-- Vectors of a model have one dimension, which only an index of its own can rely on.
create function speaker_profiles_graph(p_model_key text, p_dim integer, p_wanted boolean) returns text
language plpgsql set search_path = public, extensions as $$
declare
    r_name text := 'speaker_profiles_graph_' || left(encode(sha256(convert_to(p_model_key, 'UTF8')), 'hex'), 16);
begin
    if not p_wanted then
        execute format('drop index if exists %I', r_name);
    elsif to_regclass(r_name) is null then
        execute format(
            'create index %I on speaker_profiles using hnsw ((embedding::vector(%s)) vector_ip_ops) '
            'with (m = 16, ef_construction = 64) where model_key = %L',
            r_name, p_dim, p_model_key
        );
    end if;
    return r_name;
end
$$;

-- Makes the profiles of these speakers anew. A second of speech more counts less and less, so that one long recording
-- does not outvote ten short ones: beyond 30 s a vector weighs the same (WEIGHTED_SECONDS of the decision; a test
-- compares them). The lock is one of 64 by the speaker: two transactions that add to the same speaker would each miss
-- the other's vectors, and one lock a speaker would not fit into Postgres' table of locks.
create function speaker_profiles_refresh(p_speaker_ids uuid[]) returns void
language plpgsql set search_path = public, extensions as $$
begin
    perform pg_advisory_xact_lock(1397178180, o.slot) from (
        select distinct abs(hashtext(s::text) % 64) as slot
        from unnest(p_speaker_ids) s where s is not null order by slot
    ) o;
    insert into speaker_profiles as p (
        model_key, speaker_id, model, version, dim, embedding, is_known, duration_seconds, embeddings
    )
    select
        e.model_key, e.speaker_id, min(e.model), min(e.version), min(e.dim),
        l2_normalize(sum(e.embedding * array_fill(least(e.duration_seconds, 30)::real, array[e.dim])::vector)),
        bool_or(e.is_known), sum(e.duration_seconds), count(*)
    from speaker_embeddings e
    where e.speaker_id = any(p_speaker_ids) and e.in_profile
    group by e.model_key, e.speaker_id
    on conflict (model_key, speaker_id) do update set
        embedding = excluded.embedding,
        is_known = excluded.is_known,
        duration_seconds = excluded.duration_seconds,
        embeddings = excluded.embeddings,
        is_settled = false,
        changed_at = clock_timestamp();
    delete from speaker_profile_removals r
    using speaker_profiles p
    where r.speaker_id = any(p_speaker_ids) and p.model_key = r.model_key and p.speaker_id = r.speaker_id;
    with gone as (
        delete from speaker_profiles p
        where p.speaker_id = any(p_speaker_ids) and not exists (
            select from speaker_embeddings e
            where e.speaker_id = p.speaker_id and e.model_key = p.model_key and e.in_profile
        )
        returning p.model_key, p.speaker_id, p.is_offered
    )
    insert into speaker_profile_removals (model_key, speaker_id)
    select model_key, speaker_id from gone where is_offered
    on conflict do nothing;
end
$$;

create function speaker_embeddings_changed() returns trigger
language plpgsql set search_path = public, extensions as $$
begin
    if tg_op = 'INSERT' then
        perform speaker_profiles_refresh(array(select distinct speaker_id from after_rows where speaker_id is not null));
    elsif tg_op = 'DELETE' then
        perform speaker_profiles_refresh(array(select distinct speaker_id from before_rows where speaker_id is not null));
    else
        perform speaker_profiles_refresh(array(
            select speaker_id from before_rows where speaker_id is not null
            union
            select speaker_id from after_rows where speaker_id is not null
        ));
    end if;
    return null;
end
$$;

create trigger speaker_embeddings_inserted after insert on speaker_embeddings
    referencing new table as after_rows for each statement execute function speaker_embeddings_changed();
create trigger speaker_embeddings_updated after update on speaker_embeddings
    referencing old table as before_rows new table as after_rows
    for each statement execute function speaker_embeddings_changed();
create trigger speaker_embeddings_deleted after delete on speaker_embeddings
    referencing old table as before_rows for each statement execute function speaker_embeddings_changed();

select sonicgen_protect('table', 'public.speaker_embeddings');
select sonicgen_protect('table', 'public.speaker_profiles');
select sonicgen_protect('table', 'public.speaker_profile_removals');
select sonicgen_protect('table', 'public.voice_calibrations');
select sonicgen_protect('function', 'public.speaker_profiles_refresh(uuid[])');
select sonicgen_protect('function', 'public.speaker_embeddings_changed()');
select sonicgen_protect('function', 'public.speaker_profiles_graph(text, integer, boolean)');
