-- +goose Up

-- A sync of a registry begins when its listing makes all of its repositories
-- due: pass_at. What is due is what is left of it, whichever process reads it.
-- cancels grows with every time somebody ends one: processes that work on the
-- registry see by it that they should stop. cancelled says who did.
alter table registries add column pass_at bigint not null default 0;
alter table registries add column cancels bigint not null default 0;
alter table registries add column cancelled text not null default ''; -- JSON, or empty

-- How many tags the last complete look found; null before there was one.
alter table repositories add column tag_count bigint;
update repositories
set tag_count = (select count(*) from tags where tags.repository_id = repositories.id)
where synced_at is not null;

-- How much is left is counted about once a second while a sync runs: from the
-- index alone.
drop index if exists repositories_registry_due;
create index repositories_registry_due on repositories (registry_id, next_due_at, id, tag_count) where not gone;
create index repositories_unread on repositories (registry_id) where synced_at is null and not gone;

-- What each process did in a sync, beside what the rows of repositories say.
create table sync_workers (
  registry_id bigint  not null references registries (id),
  owner       text    not null, -- as in leases
  pass_at     bigint  not null,
  running     boolean not null,
  updated_at  bigint  not null,
  progress    text    not null, -- JSON
  primary key (registry_id, owner)
);
