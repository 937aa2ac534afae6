-- +goose Up

-- What an entry is found by, beside what stands in it: the actor's name in small
-- letters, the action's family, and the id of what it made (a decision, a
-- quarantine, a token). All follow from the entry, so they are no part of what is
-- signed; audit verify checks them nevertheless. Rows from before are filled in
-- when the log is opened.
alter table audit_entries add column who text not null default '';
alter table audit_entries add column family text not null default '';
alter table audit_entries add column made text not null default '';

create index audit_entries_who on audit_entries (who, at, idx);
create index audit_entries_family on audit_entries (family, at, idx);
create index audit_entries_action on audit_entries (action, at, idx);
create index audit_entries_object on audit_entries (object, at, idx);
create index audit_entries_at on audit_entries (at, idx);
create index audit_entries_made on audit_entries (made, idx);

-- Since when an incident of a registry is in the log that hasn't ended there, and
-- when one was last begun there: one that comes and goes is written down once an
-- hour.
alter table registries add column incident boolean not null default false;
alter table registries add column incident_at bigint not null default 0;

-- The configuration that was last in force, so that the log can say what changed:
-- JSON, in which secrets are fingerprints that only the log's key yields.
create table config_parts (
  name text not null primary key, -- registry/NAME, team/NAME, trust/KIND/NAME, config/SECTION
  body text not null
);
