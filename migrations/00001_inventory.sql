-- +goose Up

-- Numbers that only grow: the revision of all decisions, the revision of the
-- trust material, the index of the next audit entry. A row here is also what
-- writers on several machines lock to take turns.
create table revisions (
  name  text   not null primary key,
  value bigint not null
);
insert into revisions (name, value) values ('decisions', 0), ('trust', 0), ('audit', 0);

create table settings (
  name  text not null primary key,
  value text not null
);

create table registries (
  id               bigint  not null primary key,
  name             text    not null unique,
  url              text    not null,
  interval_ms      bigint  not null,
  repositories     text    not null, -- JSON: globs
  tags             text    not null, -- JSON: globs
  removed          boolean not null default false, -- no longer configured
  next_due_at      bigint  not null,
  lease_owner      text    not null default '',
  lease_token      bigint  not null default 0,
  lease_until      bigint  not null default 0,
  failing_reason   text    not null default '',
  failing_message  text    not null default '',
  failing_since    bigint,
  failing_at       bigint,
  sync_started_at  bigint,
  last_complete_at bigint,
  progress         text    not null default '' -- JSON
);

create table repositories (
  id              bigint  not null primary key,
  registry_id     bigint  not null references registries (id),
  name            text    not null,
  full_name       text    not null, -- registry/repository
  gone            boolean not null default false, -- not in the registry, or its registry isn't configured
  first_seen      bigint  not null,
  last_seen       bigint  not null,
  read_at         bigint  not null, -- the last complete look, or first_seen until there is one
  synced_at       bigint,
  next_due_at     bigint  not null,
  lease_owner     text    not null default '',
  lease_token     bigint  not null default 0,
  lease_until     bigint  not null default 0,
  failing_reason  text    not null default '',
  failing_message text    not null default '',
  failing_since   bigint,
  failing_at      bigint,
  unique (registry_id, name)
);
create index repositories_full_name on repositories (full_name);
create index repositories_due on repositories (next_due_at, id) where not gone;
create index repositories_registry_due on repositories (registry_id, next_due_at, id) where not gone;
create index repositories_leased on repositories (lease_until) where lease_until > 0;
create index repositories_read on repositories (registry_id, read_at) where not gone;
create index repositories_failing on repositories (registry_id) where failing_since is not null;

create table images (
  id               bigint  not null primary key, -- grows with time
  registry_id      bigint  not null,
  repository_id    bigint  not null references repositories (id),
  digest           text    not null,
  kind             text    not null,
  media_type       text    not null,
  size             bigint  not null,
  first_seen       bigint  not null,
  last_seen        bigint  not null,
  listed           boolean not null default false, -- in use: a present tag points at it
  status           text    not null,
  reason           text    not null,
  message          text    not null,
  checked_at       bigint,
  changed_at       bigint,
  review_at        bigint, -- judge again then; 0 is at once
  fingerprint      text    not null default '',
  trust_revision   bigint  not null default 0,
  failure_reason   text    not null default '', -- why the latest look failed or is incomplete
  failure_message  text    not null default '',
  failure_whole    boolean not null default false, -- it failed as a whole: stored evidence doesn't count
  last_good_status text    not null default '', -- set while the status is unknown
  last_good_at     bigint,
  quarantine_id    text, -- of those that hold it, the one that lasts longest
  unique (repository_id, digest)
);
-- Each way to narrow the list, alone and with a status, ends in the id that the
-- list is sorted by.
create index images_digest on images (digest, id);
create index images_review on images (review_at, id) where review_at is not null;
create index images_of_registry on images (registry_id, id);
create index images_listed on images (id) where listed;
create index images_status on images (status, id) where listed;
create index images_registry on images (registry_id, id) where listed;
create index images_registry_status on images (registry_id, status, id) where listed;
create index images_repository on images (repository_id, id) where listed;
create index images_repository_status on images (repository_id, status, id) where listed;
create index images_reason on images (reason, id) where listed;
create index images_reason_status on images (reason, status, id) where listed;
create index images_held on images (id) where listed and quarantine_id is not null;
create index images_quarantine on images (quarantine_id, id) where quarantine_id is not null;

create table image_facets (
  image_id bigint not null,
  kind     text   not null, -- team, signer, format
  value    text   not null,
  status   text   not null, -- the image's
  primary key (image_id, kind, value)
);
create index image_facets_value on image_facets (kind, value, image_id);
create index image_facets_status on image_facets (kind, value, status, image_id);

create table tags (
  repository_id bigint not null,
  name          text   not null,
  image_id      bigint not null,
  digest        text   not null,
  since         bigint not null,
  primary key (repository_id, name)
);
create index tags_image on tags (image_id, name);
create index tags_name on tags (name, image_id);

create table tag_moves (
  id            bigint not null primary key,
  repository_id bigint not null,
  tag           text   not null,
  from_digest   text   not null,
  to_digest     text   not null,
  at            bigint not null
);
create index tag_moves_from on tag_moves (repository_id, from_digest, id);
create index tag_moves_to on tag_moves (repository_id, to_digest, id);
create index tag_moves_moved on tag_moves (id) where from_digest <> '' and to_digest <> '';

create table platforms (
  image_id      bigint not null,
  position      bigint not null,
  repository_id bigint not null,
  platform      text   not null,
  digest        text   not null,
  media_type    text   not null,
  size          bigint not null,
  primary key (image_id, position)
);
create index platforms_digest on platforms (repository_id, digest, image_id);

create table signatures (
  image_id bigint not null,
  position bigint not null,
  format   text   not null,
  body     text   not null, -- JSON
  primary key (image_id, position)
);

create table attestations (
  image_id bigint not null,
  position bigint not null,
  body     text   not null, -- JSON
  primary key (image_id, position)
);

create table verdict_history (
  id          bigint not null primary key,
  image_id    bigint not null,
  at          bigint not null,
  from_status text   not null,
  to_status   text   not null,
  reason      text   not null,
  message     text   not null
);
create index verdict_history_image on verdict_history (image_id, id);

create table signers (
  id               text    not null primary key,
  kind             text    not null,
  name             text    not null,
  facts            text    not null default '', -- JSON
  public_key       text    not null default '', -- PEM
  registered_at    bigint,
  registered_by    text    not null default '',
  first_seen       bigint,
  last_seen        bigint,
  images           bigint  not null default 0,
  waiting          bigint  not null default 0,
  revision         bigint  not null default 0,
  standing         text    not null, -- holds from standing_from until standing_until
  standing_from    bigint  not null default 0,
  standing_until   bigint  not null default 9223372036854775807,
  decided_revision bigint  not null default 0, -- the revision of all decisions when this signer was last decided
  rejudge          boolean not null default false -- images judged before decided_revision may be left
);
create index signers_waiting on signers (waiting desc, id);
create index signers_standing on signers (standing, waiting desc, id);
create index signers_kind on signers (kind, waiting desc, id);
create index signers_kind_standing on signers (kind, standing, waiting desc, id);
create index signers_images on signers (images desc, id);
create index signers_keys on signers (id) where registered_at is not null;
create index signers_until on signers (standing_until);
create index signers_from on signers (standing_from);
create index signers_rejudge on signers (id) where rejudge;

-- Who verifiably signed what. judged is the revision of all decisions that the
-- image's verdict rests on.
create table image_signers (
  image_id  bigint not null,
  signer_id text   not null,
  judged    bigint not null,
  primary key (image_id, signer_id)
);
create index image_signers_judged on image_signers (signer_id, judged, image_id);

create table decisions (
  id           text   not null primary key,
  signer_id    text   not null references signers (id),
  verb         text   not null,
  repositories text   not null, -- JSON: globs
  reason       text   not null,
  expires_at   bigint,
  state        text   not null,
  decided_by   text   not null, -- JSON
  revision     bigint not null,
  unique (signer_id, revision)
);

create table quarantines (
  id              text    not null primary key,
  digest          text    not null,
  repository      text    not null, -- registry/repository
  tag             text    not null,
  reason          text    not null,
  by_name         text    not null,
  at              bigint  not null,
  expires_at      bigint,
  released_at     bigint,
  released_by     text    not null default '',
  released_reason text    not null default '',
  lapsed          boolean not null default false -- it ran out, and no image is marked with it any more
);
create index quarantines_at on quarantines (at, id);
create index quarantines_digest on quarantines (digest) where released_at is null and not lapsed;
create index quarantines_tag on quarantines (repository, tag) where released_at is null and not lapsed;
create index quarantines_expires on quarantines (expires_at) where released_at is null and not lapsed;

create table counters (
  kind   text   not null, -- all, registry, team, signer, format, reason, repository
  value  text   not null,
  status text   not null, -- a status; "quarantined" and "stale" are overlays
  n      bigint not null,
  primary key (kind, value, status)
);

create table daily_counters (
  day    text   not null, -- UTC, 2006-01-02
  kind   text   not null, -- all, team
  value  text   not null,
  status text   not null,
  n      bigint not null, -- absolute, at the end of the day
  primary key (kind, value, day, status)
);

create table teams (
  name         text   not null primary key,
  position     bigint not null,
  group_names  text   not null, -- JSON
  repositories text   not null  -- JSON: globs
);

-- A repository that no team owns belongs to "-".
create table team_repositories (
  repository_id bigint not null,
  team          text   not null,
  primary key (repository_id, team)
);
create index team_repositories_team on team_repositories (team, repository_id);

create table audit_entries (
  idx       bigint not null primary key, -- from 0, without gaps
  at        bigint not null,
  actor     text   not null, -- JSON
  action    text   not null,
  object    text   not null,
  reason    text   not null,
  before    text   not null, -- JSON, or empty
  after     text   not null, -- JSON, or empty
  address   text   not null
);

create table sessions (
  token_hash text   not null primary key, -- sha256 of the token, which is nowhere else
  data       text   not null, -- base64
  expires_at bigint not null
);
create index sessions_expires on sessions (expires_at);
