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
