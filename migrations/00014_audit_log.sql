-- The audit log becomes a Merkle tree whose root is signed with each entry: see
-- package inventory/audit.

-- +goose Up
create table audit_hashes (
  idx  bigint not null primary key, -- as golang.org/x/mod/sumdb/tlog counts them
  hash text   not null              -- base64
);

create table audit_checkpoints (
  size bigint not null primary key, -- entries of the log that it is of
  note text   not null              -- signed (C2SP tlog-checkpoint)
);
