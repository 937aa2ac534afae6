-- +goose Up

-- What each quarantine holds: see docs/decisions/0011. Rows are only added, and
-- stay when it is over.
create table quarantine_digests (
  quarantine_id text   not null,
  digest        text   not null,
  because       text   not null, -- digest, tag, platform, index
  of_digest     text   not null, -- the index it is a platform of, or the platform that the index has; else empty
  platform      text   not null, -- linux/arm64, where of_digest says something
  since         bigint not null,
  marked        bigint not null default 0, -- images of the digest up to this id are marked as they should be
  primary key (quarantine_id, digest)
);
create index quarantine_digests_digest on quarantine_digests (digest, quarantine_id);
create index quarantine_digests_unmarked on quarantine_digests (quarantine_id, digest) where marked < 9223372036854775807;

-- Which indexes list a platform, in whatever repository.
create index platforms_held on platforms (digest, image_id);

insert into quarantine_digests (quarantine_id, digest, because, of_digest, platform, since)
select id, digest, 'digest', '', '', at
from quarantines
where digest <> '';

insert into quarantine_digests (quarantine_id, digest, because, of_digest, platform, since)
select q.id, t.digest, 'tag', '', '', max(q.at)
from quarantines q
join repositories r on r.full_name = q.repository
join tags t on t.repository_id = r.id and t.name = q.tag
where q.tag <> '' and q.released_at is null and not q.lapsed
group by q.id, t.digest;

insert into quarantine_digests (quarantine_id, digest, because, of_digest, platform, since)
select h.quarantine_id, p.digest, 'platform', min(h.digest), min(p.platform), min(h.since)
from quarantine_digests h
join quarantines q on q.id = h.quarantine_id and q.released_at is null and not q.lapsed
join images i on i.digest = h.digest
join platforms p on p.image_id = i.id
where not exists (select 1 from quarantine_digests x where x.quarantine_id = h.quarantine_id and x.digest = p.digest)
group by h.quarantine_id, p.digest;

insert into quarantine_digests (quarantine_id, digest, because, of_digest, platform, since)
select h.quarantine_id, i.digest, 'index', min(h.digest), min(p.platform), min(h.since)
from quarantine_digests h
join quarantines q on q.id = h.quarantine_id and q.released_at is null and not q.lapsed
join platforms p on p.digest = h.digest
join images i on i.id = p.image_id
where not exists (select 1 from quarantine_digests x where x.quarantine_id = h.quarantine_id and x.digest = i.digest)
group by h.quarantine_id, i.digest;
