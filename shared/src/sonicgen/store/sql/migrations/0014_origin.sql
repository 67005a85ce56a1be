-- How good a recording sounds (sonicgen.domain.quality), by which its history is judged.

alter table videos add column quality jsonb;
