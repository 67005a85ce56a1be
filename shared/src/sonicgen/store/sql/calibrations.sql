-- name: get
select slope, "offset", figures, fitted_at from voice_calibrations where model_key = %(model_key)s;

-- name: every
select model_key, slope, "offset", figures, fitted_at from voice_calibrations order by model_key;

-- name: put
insert into voice_calibrations (model_key, model, version, slope, "offset", figures)
values (%(model_key)s, %(model)s, %(version)s, %(slope)s, %(offset)s, %(figures)s)
on conflict (model_key) do update set
    slope = excluded.slope,
    "offset" = excluded."offset",
    figures = excluded.figures,
    fitted_at = clock_timestamp();

-- name: remove
delete from voice_calibrations where model_key = %(model_key)s;
