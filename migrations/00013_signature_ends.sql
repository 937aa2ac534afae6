-- +goose Up

-- When the last of the signer's verified signatures on the image stops to hold,
-- so that what a decision would change can be counted without the evidence: the
-- largest bigint for one that holds for good, 0 in rows from before this was
-- kept, of which nobody knows without the evidence.
alter table image_signers add column holds_until bigint not null default 0;
