-- Where recordings come from: channels, playlists, feeds and links; what each of them brought; the download of each
-- discovered video; and the units of paid or limited services that were spent.

alter table channels
    add column handle text, -- without the @, in lower case
    add column uploads_playlist_id text,
    add column updated_at timestamptz not null default clock_timestamp();
create index channels_handle on channels (handle);

-- One row for everything that somebody asked to be read. The id derives from kind and address, so that asking again finds
-- the same row.
create table sources (
    id uuid primary key,
    kind text not null check (kind in ('channel', 'playlist', 'video', 'feed', 'link')),
    address text not null, -- canonical: @handle, channel id, playlist id, video id or URL
    same_as uuid references sources (id) on delete cascade, -- the same channel under another address
    channel_id text references channels (id) on delete set null,
    title text,
    filters jsonb not null default '{}',
    uploads_playlist_id text,

    state text not null default 'active' check (state in ('active', 'done', 'paused_quota', 'failed')),
    reason text,
    reason_detail text,

    -- Reading goes page by page. A page's rows, its counts and the token of the page that follows change in one
    -- transaction. Each reading takes the next read_number; a page of an older one is refused, so that two messages about
    -- the same source cannot mix.
    read_number bigint not null default 0,
    read_started_at timestamptz,
    page_token text, -- the page to go on with after a crash or a stop; null: from the beginning
    previous_page_token text,
    is_read boolean not null default false, -- all of it was read once: a repeat stops at what is known
    oldest_taken_at timestamptz, -- where max_videos ended the first reading: what is older stays out
    last_seen jsonb not null default '{}', -- newest published_at, etag, last_modified
    discovered integer not null default 0, -- by the present or last reading
    taken integer not null default 0,
    filtered integer not null default 0,
    pages integer not null default 0,
    units integer not null default 0,

    is_watched boolean not null default false,
    poll_every_seconds integer not null default 3600 check (poll_every_seconds > 0),
    next_poll_at timestamptz,

    websub_hub text,
    websub_topic text,
    websub_secret text,
    websub_state text check (websub_state in ('asked', 'verified', 'denied', 'failed')),
    websub_lease_expires_at timestamptz,

    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    unique (kind, address)
);

create index sources_due on sources (next_poll_at) where next_poll_at is not null;
create index sources_channel on sources (channel_id);
create index sources_newest on sources (created_at desc, id desc);
create index sources_websub on sources (websub_lease_expires_at) where websub_state is not null;

-- Everything a source ever brought, also what its filters left out, so that a repeat knows what is new. `item` is the
-- source's own name for it: a video id or a feed entry's guid. A row that is not announced still owes its event: it is
-- written with the video's row in one transaction and set after the event is safe in Pub/Sub.
create table source_items (
    source_id uuid not null references sources (id) on delete cascade,
    item text not null,
    video_id uuid references videos (id) on delete set null,
    outcome text not null check (outcome in ('new', 'known', 'filtered')),
    reason text,
    is_announced boolean not null,
    seen_at timestamptz not null default clock_timestamp(),
    primary key (source_id, item)
);

create index source_items_unannounced on source_items (source_id) where not is_announced;
create index source_items_video on source_items (video_id);

-- The download of a discovered video: its state, why, and when it is tried again.
create table downloads (
    video_id uuid primary key references videos (id) on delete cascade,
    url text not null,
    state text not null check (state in ('queued', 'running', 'stored', 'waiting', 'failed', 'skipped')),
    reason text,
    reason_detail text,
    attempts integer not null default 0,
    round integer not null default 0, -- how often it was asked for anew
    failures integer not null default 0, -- in a row for the present reason
    next_attempt_at timestamptz,
    address_host text not null, -- whom a cool-down spares
    bytes bigint check (bytes >= 0),
    source_id uuid references sources (id) on delete set null,
    object_name text,
    started_at timestamptz,
    finished_at timestamptz,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp()
);

create index downloads_due on downloads (state, next_attempt_at);
create index downloads_host on downloads (address_host);
create index downloads_object on downloads (object_name);

create trigger sources_touch before update on sources for each row execute function videos_touch();
create trigger downloads_touch before update on downloads for each row execute function videos_touch();
create trigger channels_touch before update on channels for each row execute function videos_touch();

-- Units of a service spent in one of its days. YouTube's day begins at midnight Pacific time.
create table quota_ledger (
    service text not null,
    day date not null,
    units integer not null default 0 check (units >= 0),
    unit_limit integer not null check (unit_limit >= 0),
    -- The service itself said that nothing is left, whatever was counted here: others may use the same key.
    is_exhausted boolean not null default false,
    updated_at timestamptz not null default clock_timestamp(),
    primary key (service, day)
);

create function quota_day(p_at timestamptz default clock_timestamp()) returns date
language sql stable set search_path = '' as $$
    select (p_at at time zone 'America/Los_Angeles')::date
$$;

-- Reserves units before they are spent, or refuses: two that ask at once cannot both get the last ones. Returns whether
-- they are granted, what is spent by then, and when the next day begins.
create function reserve_quota(
    p_service text, p_units integer, p_limit integer, p_at timestamptz default clock_timestamp()
) returns table (is_granted boolean, units integer, resets_at timestamptz)
language plpgsql security invoker set search_path = '' as $$
declare
    r_day date := public.quota_day(p_at);
begin
    insert into public.quota_ledger as q (service, day, units, unit_limit)
    values (p_service, r_day, 0, p_limit)
    on conflict (service, day) do nothing;
    update public.quota_ledger q
    set units = q.units + p_units, unit_limit = p_limit, updated_at = clock_timestamp()
    where q.service = p_service and q.day = r_day and not q.is_exhausted and q.units + p_units <= p_limit;
    is_granted := found;
    select q.units into units from public.quota_ledger q where q.service = p_service and q.day = r_day;
    resets_at := (r_day + 1)::timestamp at time zone 'America/Los_Angeles';
    return next;
end
$$;

select sonicgen_protect('function', 'public.quota_day(timestamptz)');
select sonicgen_protect('function', 'public.reserve_quota(text, integer, integer, timestamptz)');
select sonicgen_protect('table', 'public.sources');
select sonicgen_protect('table', 'public.source_items');
select sonicgen_protect('table', 'public.downloads');
select sonicgen_protect('table', 'public.quota_ledger');
