-- Search in what was said. How it works and what it costs: docs/transcripts.md, "Reading".

-- Postgres' own configurations leave out "the", "to" and "be"; somebody who looks for a sentence means those too. These
-- stem as the originals do and leave nothing out. A language is found by its ISO 639-1 code; those that this server has
-- no stemmer for, and lines whose language nobody knows, are searched by whole words ('simple').
do $$
declare
    r_language record;
    r_cases text := '';
begin
    for r_language in
        select * from (values
            ('ar', 'arabic'), ('ca', 'catalan'), ('da', 'danish'), ('de', 'german'), ('el', 'greek'), ('en', 'english'),
            ('es', 'spanish'), ('et', 'estonian'), ('eu', 'basque'), ('fi', 'finnish'), ('fr', 'french'),
            ('ga', 'irish'), ('hi', 'hindi'), ('hu', 'hungarian'), ('hy', 'armenian'), ('id', 'indonesian'),
            ('it', 'italian'), ('lt', 'lithuanian'), ('nb', 'norwegian'), ('ne', 'nepali'), ('nl', 'dutch'),
            ('nn', 'norwegian'), ('no', 'norwegian'),
            ('pt', 'portuguese'), ('ro', 'romanian'), ('ru', 'russian'), ('sr', 'serbian'), ('sv', 'swedish'),
            ('ta', 'tamil'), ('tr', 'turkish'), ('yi', 'yiddish')
        ) as l (code, name)
        where exists (
            select from pg_catalog.pg_ts_config c
            join pg_catalog.pg_namespace n on n.oid = c.cfgnamespace
            where n.nspname = 'pg_catalog' and c.cfgname = l.name
        )
    loop
        execute format(
            'create text search dictionary public.sonicgen_%s (template = pg_catalog.snowball, language = %L)',
            r_language.code, r_language.name
        );
        execute format(
            'create text search configuration public.sonicgen_%s (copy = pg_catalog.simple)', r_language.code
        );
        execute format(
            'alter text search configuration public.sonicgen_%s alter mapping for asciihword, asciiword, '
            'hword, hword_asciipart, hword_part, word with public.sonicgen_%s',
            r_language.code, r_language.code
        );
        r_cases := r_cases || format(' when %L then %L::regconfig', r_language.code, 'public.sonicgen_' || r_language.code);
    end loop;
    execute
        'create function public.utterance_config(p_language text) returns regconfig '
        'language sql immutable parallel safe set search_path = '''' as $f$ '
        'select case split_part(replace(lower(p_language), ''_'', ''-''), ''-'', 1)' || r_cases || ' else ''pg_catalog.simple''::regconfig end $f$';
end
$$;

-- What a line is found by besides its words: the recording, who speaks (label, name, each part of the name), and which
-- stretch of the lines in order of arrival it lies in, in stretches of three sizes. `find_utterances` walks these.
create function utterance_marks(p_id bigint, p_video_id uuid, p_speaker text, p_name text) returns text[]
language sql immutable parallel safe set search_path = '' as $$
    select array[
        'v:' || p_video_id::text,
        '0:' || (p_id >> 11)::text, '1:' || (p_id >> 14)::text, '2:' || (p_id >> 17)::text,
        's:' || lower(left(coalesce(p_name, p_speaker, ''), 200)), 's:' || lower(left(coalesce(p_speaker, ''), 200))
    ] || (
        select coalesce(array_agg('s:' || part), '{}')
        from unnest(string_to_array(lower(left(p_name, 200)), ' ')) as p (part)
    )
$$;

-- What of a line is searched, apart from the line: a search reads thousands of these and shows twenty lines. A line with
-- its words' times is 800 bytes, this is 250, so that a search of common words reads a third of the pages.
create table utterance_words (
    utterance_id bigint primary key references utterances (id) on delete cascade,
    video_id uuid not null,
    speaker text,
    speaker_name text,
    search tsvector not null
);

-- One index for words and marks, so that one scan joins them and skips what one of them rules out. Without `fastupdate`:
-- its list of pending rows would be read through by every search.
create index utterance_words_search on utterance_words
    using gin (search, utterance_marks(utterance_id, video_id, speaker, speaker_name)) with (fastupdate = off);

create function utterances_index() returns trigger
language plpgsql set search_path = '' as $$
begin
    insert into public.utterance_words (utterance_id, video_id, speaker, speaker_name, search)
    values (
        new.id, new.video_id, new.speaker, new.speaker_name,
        -- A megabyte is the most that Postgres makes a vector of; nobody says that much without a break.
        to_tsvector(public.utterance_config(new.language), left(new.text, 250000))
    )
    on conflict (utterance_id) do update set
        video_id = excluded.video_id,
        speaker = excluded.speaker,
        speaker_name = excluded.speaker_name,
        search = excluded.search;
    return null;
end
$$;

create trigger utterances_index_new after insert on utterances for each row execute function utterances_index();
create trigger utterances_index_changed after update of text, language, speaker, speaker_name on utterances
    for each row execute function utterances_index();

-- Few values in many rows, read by skipping from one to the next.
create index utterances_language on utterances (language);

-- When a recording is from, for searches and their order.
create index videos_date on videos ((coalesce(published_at, created_at)));

-- What somebody types, as a query in every language that lines are in: words, "a phrase", OR, -left out.
create function utterance_query(p_text text) returns tsquery
language plpgsql stable set search_path = '' as $$
declare
    r_language text;
    r_query tsquery;
    r_queries text[] := '{}';
begin
    for r_language in
        with recursive languages as (
            (select u.language from public.utterances u where u.language is not null order by u.language limit 1)
            union all
            select (
                select u.language from public.utterances u where u.language > l.language order by u.language limit 1
            )
            from languages l where l.language is not null
        )
        select language from languages where language is not null
        union all
        select null where exists (select from public.utterances u where u.language is null)
    loop
        r_query := websearch_to_tsquery(public.utterance_config(r_language), p_text);
        if numnode(r_query) > 0 and not r_query::text = any (r_queries) then
            r_queries := r_queries || r_query::text;
        end if;
    end loop;
    if r_queries = '{}' then
        return websearch_to_tsquery('pg_catalog.simple', p_text);
    end if;
    return ('(' || array_to_string(r_queries, ') | (') || ')')::tsquery;
end
$$;

-- The newest lines (by arrival) that fit a query, at most p_window of those that arrived before p_ceiling.
--
-- Work is bounded whatever is asked. The lines are walked from the newest to the oldest in stretches of 2,048, 16,384 or
-- 131,072: a longer one where little was found, a shorter one where there is more than a stretch may cost (in the longest
-- a word of every second line takes 10 ms to look up, before any line is read). After p_most_visited lines read it ends,
-- wherever it is. p_videos: only these recordings; up to 200
-- are found by the index, more by reading. p_speaker: a label, a name or a part of a name.
--
-- `ids` are the lines, newest first; `visited` is how many were read. `reached` says how far it came: every line that
-- arrived before p_ceiling and not before `reached` was looked at; 0 when all were.
create function find_utterances(
    p_query tsquery,
    p_videos uuid[],
    p_speaker text,
    p_ceiling bigint,
    p_window integer,
    p_most_visited integer
) returns table (ids bigint[], reached bigint, visited integer)
language plpgsql stable
-- One plan for all: the index gives what fits marks and words, whatever the statistics say.
set search_path = '' set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_indexscan = off as $$
declare
    c_bits constant integer[] := array[11, 14, 17];
    c_most_marks constant integer := 200; -- with 500 the index takes longer than reading lines (35 to 50 ms)
    c_step constant integer := 2048;
    r_needed tsquery := regexp_replace(querytree(p_query), '<(-|\d+)>', '&', 'g')::tsquery; -- without order and exclusion
    r_videos text[];
    r_speaker text[] := case when p_speaker is null then '{}' else array['s:' || lower(left(p_speaker, 200))] end;
    -- Without these every line that the index gives is a match.
    r_is_loose boolean := r_needed::text <> p_query::text or cardinality(p_videos) > c_most_marks;
    r_most integer;
    r_level integer := 1;
    r_stretch bigint;
    r_mark text;
    r_read integer;
    r_found bigint[];
begin
    ids := '{}';
    visited := 0;
    if cardinality(p_videos) <= c_most_marks then
        select array_agg('v:' || v::text) into r_videos from unnest(p_videos) as p (v);
    end if;
    reached := p_ceiling;
    while reached > 0 and cardinality(ids) < p_window and visited < p_most_visited and p_videos is distinct from '{}' loop
        r_stretch := (reached - 1) >> c_bits[r_level];
        r_mark := (r_level - 1) || ':' || r_stretch;
        r_most := case when r_is_loose or r_level = 1 then c_step else p_window - cardinality(ids) end;
        select count(*), coalesce(array_agg(s.id order by s.id desc) filter (where s.fits), '{}')
        into r_read, r_found
        from (
            select u.utterance_id as id,
                u.search @@ p_query
                and (p_videos is null or r_videos is not null or u.video_id = any (p_videos)) as fits
            from public.utterance_words u
            where u.search @@ r_needed
              and public.utterance_marks(u.utterance_id, u.video_id, u.speaker, u.speaker_name)
                  @> (r_mark || r_speaker)
              and public.utterance_marks(u.utterance_id, u.video_id, u.speaker, u.speaker_name)
                  && coalesce(r_videos, array[r_mark])
              and u.utterance_id + 0 < reached -- not as a range of the primary key
            limit r_most + 1
        ) s;
        visited := visited + r_read;
        if r_level > 1 and (r_read > r_most or cardinality(ids) + cardinality(r_found) > p_window) then
            r_level := r_level - 1;
        elsif cardinality(ids) + cardinality(r_found) > p_window then
            ids := ids || r_found[: p_window - cardinality(ids)];
            reached := ids[cardinality(ids)];
        else
            ids := ids || r_found;
            reached := r_stretch << c_bits[r_level];
            if r_level < 3 and r_read * 8 <= c_step and cardinality(r_found) * 8 <= p_window - cardinality(ids) then
                r_level := r_level + 1;
            end if;
        end if;
    end loop;
    return next;
end
$$;

select sonicgen_protect('table', 'public.utterance_words');
select sonicgen_protect('function', 'public.utterances_index()');
select sonicgen_protect('function', 'public.utterance_config(text)');
select sonicgen_protect('function', 'public.utterance_marks(bigint, uuid, text, text)');
select sonicgen_protect('function', 'public.utterance_query(text)');
select sonicgen_protect('function', 'public.find_utterances(tsquery, uuid[], text, bigint, integer, integer)');
