-- Recordings, the channels they come from, and the moves between their states.

-- Shuts a table (with its partitions), a sequence or a function to everybody but its owner. Supabase grants every new object in
-- `public` to the roles behind its public key; those roles exist there and not on a plain server.
create function sonicgen_protect(p_kind text, p_name text) returns void
language plpgsql set search_path = '' as $$
declare
    r_role text;
    r_table regclass;
begin
    for r_role in
        select 'public'
        union all
        select quote_ident(rolname) from pg_catalog.pg_roles where rolname in ('anon', 'authenticated')
    loop
        if p_kind = 'function' then
            execute format('revoke all on function %s from %s', p_name::regprocedure, r_role);
        elsif p_kind = 'sequence' then
            execute format('revoke all on sequence %s from %s', p_name::regclass, r_role);
        else
            for r_table in
                select p_name::regclass
                union all
                select inhrelid::regclass from pg_catalog.pg_inherits where inhparent = p_name::regclass
            loop
                execute format('alter table %s enable row level security', r_table);
                execute format('revoke all on table %s from %s', r_table, r_role);
            end loop;
        end if;
    end loop;
end
$$;

create table channels (
    id text primary key,
    title text not null,
    created_at timestamptz not null default clock_timestamp()
);

-- Every move a recording may make; null is "nobody has claimed it yet". Equal to ALLOWED_MOVES of the domain (a test
-- compares them).
create table match_status_moves (
    before text,
    after text not null,
    unique nulls not distinct (before, after)
);

insert into match_status_moves (before, after) values
    (null, 'pending'), (null, 'flag'),
    ('pending', 'pending'), ('pending', 'fingerprinted'), ('pending', 'matched'), ('pending', 'too_short'),
    ('pending', 'flag'),
    ('fingerprinted', 'pending'), ('matched', 'pending'), ('too_short', 'pending'), ('flag', 'pending');

create table videos (
    id uuid primary key,
    number bigint unique check (number > 0 and number < 1::bigint << 39),
    youtube_id text unique,
    channel_id text references channels (id) on delete set null,
    title text not null,
    description text,
    published_at timestamptz,
    source_uri text, -- where it was published, for what was not uploaded by hand
    bucket text,
    object_name text,
    object_generation bigint,
    content_type text,
    size_bytes bigint check (size_bytes >= 0),
    content_md5 text,
    duration_seconds double precision check (duration_seconds >= 0),
    original_video_id uuid references videos (id) on delete set null,
    match_status text check (match_status in ('pending', 'fingerprinted', 'matched', 'too_short', 'flag')),
    reason text,
    reason_detail text,
    attempts integer not null default 0,
    index_version integer,
    claimed_at timestamptz,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    constraint videos_not_its_own_original check (original_video_id <> id),
    constraint videos_final_has_reason
        check (match_status is null or match_status = 'pending' or reason is not null)
);

create index videos_newest on videos (created_at desc, id desc);
create index videos_newest_by_status on videos (match_status, created_at desc, id desc);
create index videos_content on videos (content_md5, size_bytes);
create index videos_original on videos (original_video_id);
create index videos_channel on videos (channel_id);
create index videos_object on videos (object_name);
create index videos_title on videos (title);
create index videos_unfinished on videos (claimed_at) where match_status = 'pending';

create function videos_check_move() returns trigger
language plpgsql set search_path = '' as $$
declare
    r_before text := null;
begin
    if tg_op = 'UPDATE' then
        r_before := old.match_status;
    elsif new.match_status is null then
        return new;
    end if;
    if not exists (
        select from public.match_status_moves m
        where m.before is not distinct from r_before and m.after = new.match_status
    ) then
        raise exception 'A recording that is % cannot become %.',
            coalesce(r_before, 'unclaimed'), coalesce(new.match_status, 'unclaimed')
            using errcode = 'SG001';
    end if;
    return new;
end
$$;

create trigger videos_check_move before insert or update of match_status on videos
    for each row execute function videos_check_move();

create function videos_touch() returns trigger
language plpgsql set search_path = '' as $$
begin
    new.updated_at := clock_timestamp();
    return new;
end
$$;

create trigger videos_touch before update on videos for each row execute function videos_touch();

select sonicgen_protect('function', 'public.sonicgen_protect(text, text)');
select sonicgen_protect('function', 'public.videos_check_move()');
select sonicgen_protect('function', 'public.videos_touch()');
select sonicgen_protect('table', 'public.channels');
select sonicgen_protect('table', 'public.match_status_moves');
select sonicgen_protect('table', 'public.videos');
select sonicgen_protect('table', 'public.schema_migrations');
