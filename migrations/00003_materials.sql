-- +goose Up

-- What the signatures of an image can be checked again from without its
-- registry, when a key or a root becomes known: opaque to everything but the
-- inspector. There is no row where nothing is attached. trust_revision is always
-- the image's.
create table materials (
  image_id       bigint not null primary key,
  registry_id    bigint not null,
  trust_revision bigint not null, -- of the keys and roots that it was checked with
  recheck_at     bigint, -- check again then, whatever the keys and roots
  failures       bigint not null default 0, -- how often checking again failed since it last succeeded
  body           bytea  not null
);
create index materials_revision on materials (registry_id, trust_revision, image_id);
create index materials_recheck on materials (registry_id, recheck_at, image_id) where recheck_at is not null;

-- recheck_failed: checking again what is stored failed, and until that succeeds
-- the stored evidence doesn't count.
alter table images add column recheck_failed boolean not null default false;
alter table images add column notes text not null default ''; -- JSON, or empty

-- What was fetched of roots of trust, to begin with when their source is down.
create table trust_roots (
  name        text   not null primary key, -- as configured
  obtained_at bigint not null,
  body        bytea  not null
);

-- What was last seen of each image collection on a server of Docker Content
-- Trust, so that it can't serve an older state.
create table tuf_states (
  gun  text  not null primary key,
  body bytea not null
);
