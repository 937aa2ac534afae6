-- +goose Up

-- hinted_at: a look at the repository is worth it from then on, since somebody
-- said so, and no look that began later has ended. hint_token is the lease_token
-- of the moment when that was said: a look that holds the same lease at its end
-- began before. hint_echo: nobody said so again, but the look that followed found
-- nothing new, and may have come too soon.
alter table repositories add column hinted_at bigint;
alter table repositories add column hint_token bigint not null default 0;
alter table repositories add column hint_echo boolean not null default false;
-- unlisted: an event named the repository, and no listing of its registry has.
alter table repositories add column unlisted boolean not null default false;
create index repositories_hinted on repositories (registry_id, hinted_at, id) where hinted_at is not null;
create index repositories_unlisted on repositories (registry_id) where unlisted;

-- relist_at: list the repositories again then, and make none of them due.
alter table registries add column relist_at bigint;
