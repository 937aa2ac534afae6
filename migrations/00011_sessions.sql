-- +goose Up

-- Whose a session is, so that people can see and end their own. Sessions from
-- before don't say, so nobody could end them: they end here, and their people
-- sign in once more. Nothing else is kept in a session.
drop table sessions;
create table sessions (
  token_hash   text   not null primary key, -- sha256 of the token, which is nowhere else
  subject      text   not null, -- issuer|sub
  name         text   not null,
  groups       text   not null, -- JSON: the names that the provider gave last
  data         text   not null, -- base64
  sealed       text   not null, -- the provider's tokens, encrypted with a key that only the session's token yields
  address      text   not null, -- of the last request, to about a minute
  agent        text   not null, -- likewise
  created_at   bigint not null,
  last_seen_at bigint not null,
  expires_at   bigint not null,
  renew_at     bigint           -- when the provider is asked about the groups again; null: never
);
create index sessions_expires on sessions (expires_at);
create index sessions_subject on sessions (subject, last_seen_at);
