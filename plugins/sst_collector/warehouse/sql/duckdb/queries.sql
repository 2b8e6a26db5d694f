-- What only DuckDB says, or says in its own way.

-- name: create_migrations
CREATE TABLE IF NOT EXISTS migrations (name VARCHAR NOT NULL PRIMARY KEY);

-- name: partitions
SELECT table_name[6:] AS week FROM duckdb_tables() WHERE table_name LIKE 'runs %' ORDER BY week;

-- name: create_partition
CREATE TABLE IF NOT EXISTS "runs $week" ($columns);

-- name: add_column
ALTER TABLE "runs $week" ADD COLUMN IF NOT EXISTS $column;

-- name: drop_partition
DROP TABLE "runs $week";

-- name: gather_partitions
-- All that is kept, in one place to look at.
CREATE OR REPLACE VIEW runs AS $partitions;

-- name: partition_in_view
SELECT '$week' AS week, $columns FROM "runs $week"

-- name: no_partition_in_view
SELECT NULL::VARCHAR AS week, $columns WHERE false

-- name: stage_segment
-- What is not a whole line becomes a row of nulls.
CREATE OR REPLACE TEMP TABLE arrived AS
SELECT * FROM read_json(?, format = 'newline_delimited', ignore_errors = true, columns = {$columns});

-- name: arrived_weeks
SELECT DISTINCT greatest(week, ?) AS week FROM arrived WHERE "sessionId" IS NOT NULL ORDER BY week;

-- name: load_runs
-- The sessions of a few partitions are looked through: what it costs doesn't grow with the history.
INSERT INTO "runs $week" ($columns)
SELECT DISTINCT ON ("sessionId") $columns
FROM arrived ANTI JOIN ($sessions) USING ("sessionId")
WHERE "sessionId" IS NOT NULL AND greatest(week, ?) = '$week';

-- name: sessions
SELECT "sessionId" FROM "runs $week"

-- name: asked_to_be_forgotten
SELECT count(*) FROM arrived WHERE forget IS NOT NULL;

-- name: forget_machines
-- What arrived in the same segment goes too, before or after: rather a run too few than a row too many.
DELETE FROM "runs $week" WHERE "anonymousId" IN (SELECT forget FROM arrived WHERE forget IS NOT NULL);

-- name: load_segment
INSERT INTO segments SELECT ?, coalesce(sum(rejected), 0) FROM arrived;

-- name: checkpoint
CHECKPOINT;

-- name: take_every_processor
RESET threads;

-- name: take_one_processor
SET threads = 1;

-- name: is_published
SELECT count(*) FROM published_weeks WHERE week = ?;

-- name: publish_week
INSERT INTO published_weeks VALUES (?, ?, ?);

-- name: publish_cell
INSERT INTO published_cells VALUES (?, ?, ?, ?, ?);

-- name: rejected_lines
SELECT coalesce(sum(rejected), 0)::BIGINT FROM segments;

-- name: segments
SELECT name, rejected FROM segments ORDER BY name;

-- name: kept_columns
SELECT column_name FROM duckdb_columns() WHERE table_name = 'runs $week' ORDER BY column_index;

-- name: values_of_column
SELECT count("$column") FROM "runs $week";

-- name: kept_runs
SELECT $columns FROM "runs $week" ORDER BY "sessionId";
