-- +goose Up

-- How many repositories a registry has is counted along the way, as images are;
-- and a number that grows with the set of their names lets each process keep
-- the names in memory.
insert into revisions (name, value) values ('repositories', 1);
insert into counters (kind, value, status, n)
select 'repositories', cast(registry_id as text), '', count(*)
from repositories
where not gone
group by registry_id;

-- Where these are as unique as the primary key, SQLite asks them, and them alone,
-- whether an image is in use.
drop index images_listed;
drop index images_held;
create unique index images_listed on images (id) where listed;
create unique index images_held on images (id) where listed and quarantine_id is not null;
