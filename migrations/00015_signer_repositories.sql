-- +goose Up

-- In which repositories a signer verifiably signed: kept in the transaction of
-- what it is derived from. A row stays when the last of its images has gone, as
-- long as its repository does: who signed before is what makes the next one
-- unusual.
create table signer_repositories (
  signer_id     text   not null,
  repository_id bigint not null,
  family        text   not null, -- the signer's, without the ref of a workflow
  images        bigint not null, -- in use, with a verified signature of the signer
  formats       bigint not null default 0, -- of its signatures: a bit each
  since         bigint not null, -- by then it had signed there
  not_before    bigint not null, -- and not before then; 0: nobody looked before
  primary key (signer_id, repository_id)
);

-- What was stored before says when images came, not when signatures did. What
-- came within a day of a repository's first image may have been there all along.
-- A family is what stands before the last @refs/ of an address: trimming every
-- character that isn't the mark leaves what ends in it.
insert into signer_repositories (signer_id, repository_id, family, images, formats, since, not_before)
select s.signer_id, i.repository_id,
  case
    when s.signer_id like 'keyless:%|https://%@refs/%'
    then rtrim(rtrim(replace(s.signer_id, '@refs/', '␟'), replace(replace(s.signer_id, '@refs/', '␟'), '␟', '')), '␟')
    else s.signer_id
  end,
  count(distinct case when i.listed then i.id end),
  max(case when g.format = 'cosign-simplesigning' then 1 else 0 end) +
  max(case when g.format = 'cosign-bundle' then 2 else 0 end) +
  max(case when g.format = 'notation-jws' then 4 else 0 end) +
  max(case when g.format = 'notation-cose' then 8 else 0 end) +
  max(case when g.format = 'dct' then 16 else 0 end),
  min(i.first_seen),
  case when min(i.first_seen) > min(f.at) + 86400000 then min(i.first_seen) else 0 end
from image_signers s
join images i on i.id = s.image_id
join (select repository_id, min(first_seen) as at from images group by repository_id) f on f.repository_id = i.repository_id
left join signatures g on g.image_id = i.id
  and not exists (select 1 from signatures h where h.image_id = g.image_id and h.format <> g.format)
group by s.signer_id, i.repository_id;

create index signer_repositories_family on signer_repositories (repository_id, family, since);
create index signer_repositories_images on signer_repositories (signer_id, images desc, repository_id) where images > 0;

-- Who vouches for a signer: the issuer of a keyless identity, the trust anchor of
-- a certificate.
alter table signers add column authority text not null default '';
update signers
set authority = substr(id, 9, length(id) - 8 - length(ltrim(id, replace(id, '|', ''))))
where kind = 'keyless';
update signers
set authority = substr(id, 6, length(id) - 5 - length(ltrim(id, replace(id, '|', ''))))
where kind = 'x509';

create index signers_authority on signers (authority, first_seen) where authority <> '';
create index signers_authority_decided on signers (authority) where authority <> '' and standing <> 'pending';
create index signers_kind_seen on signers (kind, first_seen);
