-- name: page
select s.id, s.created_at, count(e.enrolment_id) as samples
from speakers s
left join enrolments n on n.speaker_id = s.id and n.state = 'enrolled'
left join enrolment_samples e on e.enrolment_id = n.id
where s.name is not null and (%(id)s::uuid is null or s.id = %(id)s)
group by s.id
order by s.name_key, s.id
limit %(limit)s offset %(offset)s;

-- name: count
select count(*) as total from speakers where name is not null;
