-- Each statement is known by its name. $column and $columns are names from the catalogue.

-- name: create_migrations
CREATE TABLE IF NOT EXISTS migrations (name VARCHAR NOT NULL PRIMARY KEY);

-- name: applied_migrations
SELECT name FROM migrations;

-- name: record_migration
INSERT INTO migrations VALUES (?);

-- name: add_column
ALTER TABLE runs ADD COLUMN IF NOT EXISTS $column;

-- name: loaded_segment
SELECT name FROM segments WHERE name = ?;

-- name: stage_segment
-- What is not a whole line becomes a row of nulls.
CREATE OR REPLACE TEMP TABLE arrived AS
SELECT * FROM read_json(?, format = 'newline_delimited', ignore_errors = true, columns = {$columns});

-- name: load_runs
INSERT INTO runs (week, $columns)
SELECT greatest(week, ?), $columns
FROM arrived
WHERE "sessionId" IS NOT NULL AND "sessionId" NOT IN (SELECT "sessionId" FROM runs)
QUALIFY row_number() OVER (PARTITION BY "sessionId" ORDER BY week) = 1;

-- name: forget_machines
-- What arrived in the same segment goes too, before or after: rather a run too few than a row too many.
DELETE FROM runs WHERE "anonymousId" IN (SELECT forget FROM arrived WHERE forget IS NOT NULL);

-- name: load_segment
INSERT INTO segments SELECT ?, coalesce(sum(rejected), 0) FROM arrived;

-- name: checkpoint
CHECKPOINT;

-- name: last_published_week
SELECT max(week) FROM published_weeks;

-- name: unpublished_weeks
SELECT DISTINCT week FROM runs
WHERE week < ? AND week NOT IN (SELECT week FROM published_weeks)
ORDER BY week;

-- name: cells
SELECT CAST($column AS VARCHAR) AS value, count(*), count(DISTINCT "anonymousId")
FROM runs
WHERE week = ? AND NOT "isCI" AND $column IS NOT NULL
GROUP BY value
ORDER BY value;

-- name: ci_cells
SELECT 'true', count(*), NULL FROM runs WHERE week = ? AND "isCI" HAVING count(*) > 0;

-- name: publish_week
INSERT INTO published_weeks VALUES (?, ?);

-- name: publish_cell
INSERT INTO published_cells VALUES (?, ?, ?, ?, ?);

-- name: published_weeks
SELECT week, withheld FROM published_weeks WHERE week >= ? ORDER BY week;

-- name: published_cells
SELECT dimension, value, runs, machines FROM published_cells WHERE week = ? ORDER BY dimension, value;

-- name: rejected_lines
SELECT coalesce(sum(rejected), 0)::BIGINT FROM segments;
