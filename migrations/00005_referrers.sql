-- +goose Up

-- When the registry last said that it has no referrers API for the repository,
-- null when it never did or has one.
alter table repositories add column referrers_absent_at bigint;
