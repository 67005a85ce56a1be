-- name: list
-- A calibration that was fitted on the user's own voices comes before the model's own.
select m.key, m.name, m.version, m.dimension, coalesce(c.slope, m.slope) as slope,
       coalesce(c."offset", m."offset") as "offset", c.slope is not null as is_fitted, m.in_service_since
from voice_models m left join voice_calibrations c on c.model_key = m.key
order by m.in_service_since, m.key;

-- name: put
insert into voice_models (key, name, version, dimension, slope, "offset")
values (%(key)s, %(name)s, %(version)s, %(dimension)s, %(slope)s, %(offset)s)
on conflict (key) do update set slope = excluded.slope, "offset" = excluded."offset";

-- name: retire
delete from voice_models where key = %(key)s;
