-- +goose Up

-- Every page says how many signers wait: that is counted along the way, as
-- images are.
insert into counters (kind, value, status, n)
select 'standing', standing, '', count(*)
from signers
group by standing;
