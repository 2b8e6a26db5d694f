-- What both dialects say. Each statement is known by its name; the dialect's folder has those that differ.
-- $column and $columns are names from the catalogue, $runs and $counted say where the runs of a week are.

-- name: applied_migrations
SELECT DISTINCT name FROM migrations;

-- name: record_migration
INSERT INTO migrations (name) VALUES (?);

-- name: loaded_segment
SELECT DISTINCT name FROM segments WHERE name = ?;

-- name: last_published_week
SELECT max(week) FROM published_weeks;

-- name: last_kept_week
-- By their week alone, partitions that are no later are left out unread.
SELECT max(week) FROM runs WHERE week > ?;

-- name: has_runs
SELECT count(*) FROM (SELECT 1 FROM $runs WHERE $counted LIMIT 1) AS one;

-- name: cells
-- Those of fewer than $least machines are one row of each group: a stranger can make millions of them.
SELECT CASE WHEN machines < $least THEN '' ELSE value END AS told, sum(runs), sum(machines), unsaid, count(*)
FROM (
    SELECT CAST($column AS $text) AS value, $count AS runs, count(DISTINCT "anonymousId") AS machines, $unsaid AS unsaid
    FROM $runs
    WHERE $counted AND NOT "isCI" AND $column IS NOT NULL AND $applies
    GROUP BY $column, unsaid
) AS cells
GROUP BY told, machines < $least, unsaid
ORDER BY told, unsaid;

-- name: ci_cells
SELECT 'true', $count, NULL, 0, 1 FROM $runs WHERE $counted AND "isCI" HAVING count(*) > 0;

-- name: published_weeks
SELECT week, withheld, rejected FROM published_weeks WHERE week >= ? ORDER BY week;

-- name: published_cells
SELECT dimension, value, runs, machines FROM published_cells WHERE week = ? ORDER BY dimension, value;
