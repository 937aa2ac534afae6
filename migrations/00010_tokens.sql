-- +goose Up

-- What programs show at the door. Of a token's secret only the sha256 is kept.
-- subject: whose decisions its decisions are.
create table tokens (
  id             text   not null primary key,
  hash           text   not null unique,
  name           text   not null,
  role           text   not null, -- viewer, reviewer, admin
  subject        text   not null,
  created_at     bigint not null,
  created_by     text   not null,
  expires_at     bigint,
  last_used_at   bigint,
  last_used_from text   not null default '',
  revoked_at     bigint,
  revoked_by     text   not null default ''
);
create index tokens_created on tokens (created_at, id);
create index tokens_name on tokens (name) where revoked_at is null;
