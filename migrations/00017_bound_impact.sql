-- +goose Up

-- Grows whenever what a decision about the signer would change may have become
-- something else: its images, their signatures, what holds them, whose they are.
-- A preview notes it, so that whether the preview still holds is one look at one
-- row.
alter table signers add column images_revision bigint not null default 0;

-- What waits for a second reviewer, and what runs out soon.
create index decisions_proposed on decisions (id) where state = 'proposed';
create index decisions_ending on decisions (expires_at) where state = 'active' and expires_at is not null;

-- Whose place the signer of an approval takes, and until when the approvals of
-- that one are to last; empty, and null, for an approval that replaces nobody or
-- leaves the other's as they are.
alter table decisions add column replaces text not null default '';
alter table decisions add column replaced_until bigint;
create index decisions_replaces on decisions (replaces) where replaces <> '';
