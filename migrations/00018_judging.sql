-- +goose Up

-- One process at a time judges again what a decision is about.
insert into chores (name) values ('judging');
