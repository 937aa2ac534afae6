-- +goose Up

-- Why a verdict changed. A change is flagged when a signature was removed that
-- had made the image trusted: that wants to be seen.
alter table verdict_history add column cause text not null default '';
alter table verdict_history add column detail text not null default ''; -- JSON, or empty
alter table verdict_history add column flagged boolean not null default false;
create unique index verdict_history_flagged on verdict_history (id) where flagged;

-- What appeared on an image or vanished from it after the first look: a row for
-- each signature and attestation, up to a bound for each look; the rest is one
-- row with a number and no body.
create table image_events (
  id       bigint not null primary key,
  image_id bigint not null,
  at       bigint not null,
  kind     text   not null, -- appeared, vanished
  n        bigint not null,
  body     text   not null -- JSON, or empty
);
create index image_events_image on image_events (image_id, id);

-- missed: what a look that left a place unread did not find again of what was
-- known. It neither vanished nor will it have appeared.
alter table images add column missed text not null default ''; -- JSON, or empty

-- Since when no tag points at the image, and since when a complete listing
-- doesn't have the repository. A registry that is no longer configured stopped
-- showing nothing.
alter table images add column gone_at bigint;
alter table repositories add column gone_at bigint;
create index images_gone on images (gone_at, id) where gone_at is not null;
create index repositories_gone on repositories (gone_at, id) where gone_at is not null;

update repositories
set gone_at = coalesce((select max(m.at) from tag_moves m where m.repository_id = repositories.id and m.to_digest = ''), last_seen)
where gone and registry_id in (select id from registries where not removed);

update images
set gone_at = (select max(m.at) from tag_moves m where m.repository_id = images.repository_id and m.from_digest = images.digest)
where not listed
  and registry_id in (select id from registries where not removed)
  and not exists (select 1 from tags t where t.image_id = images.id);

-- Work that one process at a time does now and then.
create table chores (
  name        text   not null primary key,
  next_due_at bigint not null default 0,
  lease_owner text   not null default '',
  lease_until bigint not null default 0
);
insert into chores (name) values ('retention');
