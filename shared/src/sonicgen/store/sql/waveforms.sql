-- name: get
select seconds, levels from waveforms where video_id = %(video_id)s and object_generation = %(generation)s;

-- name: put
insert into waveforms (video_id, object_generation, seconds, levels)
select v.id, %(generation)s, %(seconds)s, %(levels)s from videos v where v.id = %(video_id)s
on conflict (video_id) do update set
    object_generation = excluded.object_generation, seconds = excluded.seconds, levels = excluded.levels;
