-- +goose Up

-- identities: the pattern by which an approval of one keyless identity covers
-- others of its issuer. roots: the roots of trust, as configured, whose word an
-- approval goes by; approvals from before say none, and go by any.
alter table decisions add column identities text not null default '';
alter table decisions add column roots text not null default ''; -- JSON, or empty
create index decisions_identities on decisions (id) where identities <> '';

-- Through which roots of trust verified signatures of a keyless signer came.
create table signer_roots (
  signer_id  text   not null,
  root       text   not null,
  first_seen bigint not null,
  primary key (signer_id, root)
);

-- The root of trust that vouched for the signer's signatures on the image. Where
-- it isn't known, or where there are several, the evidence has to be asked.
alter table image_signers add column root text not null default '';
update image_signers set holds_until = 0 where signer_id like 'keyless:%';
