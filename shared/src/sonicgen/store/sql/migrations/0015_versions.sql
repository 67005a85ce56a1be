-- The index may hold fingerprints of several versions while recordings are heard anew, one by one.

-- How many recordings are in the index with each version, kept by the trigger below: every search asks.
create table index_versions (
    version integer primary key,
    recordings bigint not null
);

insert into index_versions (version, recordings)
select coalesce(index_version, 1), count(*) from videos where number is not null group by 1;

-- How often a number has left the index: a search that ran meanwhile may have missed a recording that was stored anew.
alter table index_totals add column departures bigint not null default 0;

-- The version by which a recording was last compared with the index, copies too; null: before there were several. A
-- release that knows nothing of it stores with an older index_version, which then counts.
alter table videos add column judged_version integer;

create index videos_version on videos (coalesce(least(judged_version, index_version), 1), id)
    where match_status in ('fingerprinted', 'matched', 'too_short');

create or replace function videos_keep_index() returns trigger
language plpgsql set search_path = '' as $$
declare
    r_before bigint := 0;
    r_after bigint := 0;
    r_left bigint := 0;
    r_old integer;
    r_new integer;
begin
    if tg_op <> 'INSERT' and old.number is not null then
        r_before := round(coalesce(old.duration_seconds, 0) * 1000);
        r_old := coalesce(old.index_version, 1);
        if tg_op = 'DELETE' or new.number is distinct from old.number then
            r_left := 1;
            perform public.remove_fingerprints(old.number);
        end if;
    end if;
    if tg_op <> 'DELETE' and new.number is not null then
        r_after := round(coalesce(new.duration_seconds, 0) * 1000);
        r_new := coalesce(new.index_version, 1);
    end if;
    -- The row of the totals is always taken first, so that no two transactions wait for each other.
    if r_before <> r_after or r_left > 0 or r_old is distinct from r_new then
        update public.index_totals
        set milliseconds = milliseconds + r_after - r_before, departures = departures + r_left;
    end if;
    if r_old is distinct from r_new then
        update public.index_versions set recordings = recordings - 1 where version = r_old;
        if r_new is not null then
            insert into public.index_versions (version, recordings) values (r_new, 1)
            on conflict (version) do update set recordings = index_versions.recordings + 1;
        end if;
    end if;
    return null;
end
$$;

drop trigger videos_keep_index on videos;
create trigger videos_keep_index after insert or delete or update of number, duration_seconds, index_version on videos
    for each row execute function videos_keep_index();

select sonicgen_protect('table', 'public.index_versions');
