-- +goose Up

-- What a verdict rested on when it was passed: the signature, the decision about
-- its signer, the revisions it was judged at. Empty in rows from before it was
-- kept.
alter table verdict_history add column basis text not null default ''; -- JSON, or empty

-- basis stands for the reason, the signer and the decision that the image's
-- verdict rests on: history gets a row when it becomes another, though the status
-- stays. 0: no signature decides, or it wasn't kept yet.
alter table images add column basis bigint not null default 0;

-- The signer's signature that a verdict would name: what history keeps of it
-- where stored evidence is judged again without being read. Empty in rows from
-- before it was kept.
alter table image_signers add column trace text not null default ''; -- JSON, or empty

-- When nobody looked at a repository for longer than a sync should take, though
-- it was there: what history says of that time is what was known before it.
create table look_gaps (
  id            bigint not null primary key,
  repository_id bigint not null,
  began_at      bigint not null, -- the last complete look before
  ended_at      bigint not null
);
create index look_gaps_repository on look_gaps (repository_id, id);
