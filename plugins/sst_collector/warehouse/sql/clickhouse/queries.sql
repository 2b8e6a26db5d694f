-- What only ClickHouse says, or says in its own way: that of 2018 and today's.

-- name: create_migrations
CREATE TABLE IF NOT EXISTS migrations $on_cluster (name String) ENGINE = $engine_of_migrations ORDER BY name $durably;

-- name: gather_shards
CREATE TABLE IF NOT EXISTS runs $on_cluster AS $database.$here
ENGINE = Distributed($cluster, $database, $here, cityHash64(toString("sessionId")))

-- name: ungather_shards
DROP TABLE IF EXISTS runs $on_cluster;

-- name: columns
SELECT name FROM system.columns WHERE database = ? AND table = ?;

-- name: add_column
ALTER TABLE $here $on_cluster ADD COLUMN $column;

-- name: insert_runs
INSERT INTO runs (week, segment, $columns) FORMAT TabSeparated

-- name: insert_slices
INSERT INTO segments (name, segment, week, rejected) FORMAT TabSeparated

-- name: insert_forgotten
INSERT INTO forgotten (week, "anonymousId") FORMAT TabSeparated

-- name: slices_to_count
SELECT DISTINCT segment, week FROM segments
WHERE week != '' AND (segment, week) NOT IN (SELECT segment, week FROM counted_slices);

-- name: slices_counted
SELECT published, segment, week FROM counted_slices WHERE published >= ?;

-- name: marks
-- How far the log of each shard's runs is.
SELECT zookeeper_path, max(log_max_index) FROM $all_replicas
WHERE database = ? AND table = '$here' GROUP BY zookeeper_path;

-- name: marks_here
-- How far the logs of the tables are that are whole everywhere; 0 is also that of an empty one.
SELECT zookeeper_path, log_max_index FROM system.replicas WHERE database = ? AND table != '$here' AND log_max_index > 0;

-- name: seconds
SELECT toUInt32(now());

-- name: behind
-- What this replica has not taken from the log, up to the mark, or has taken and not fetched yet.
SELECT 1 FROM system.replicas WHERE database = '$database' AND $lags
UNION ALL
SELECT 1 FROM system.replication_queue WHERE database = '$database' AND table != '$here' AND $waits;

-- name: lags
toInt64(log_pointer) <= transform(zookeeper_path, [$paths], [$marks], toInt64(-1))

-- name: waits
type = 'GET_PART' AND toUInt32(create_time) <= $until

-- name: is_current
-- Run where the rows are read, this raises if that replica lacks what was written before the marks were read.
1 NOT IN (SELECT throwIf($lags) FROM system.replicas WHERE database = '$database')
AND 1 NOT IN (
    SELECT throwIf($waits) FROM system.replication_queue WHERE database = '$database' AND table = '$here'
)

-- name: counted
-- A session is one run: that of its first segment, and of none that a week before it counted.
$is_current AND $in_week AND $once AND $new AND "anonymousId" GLOBAL NOT IN (SELECT "anonymousId" FROM $database.forgotten)

-- name: counted_runs
SELECT $count FROM $runs WHERE $counted;

-- name: repeated
-- Shards are by session, so each of them knows. $in_week says which runs of it may count.
SELECT "sessionId", min(segment) FROM runs
WHERE $is_current AND $in_week AND "sessionId" IN (
    SELECT "sessionId" FROM $database.$here WHERE $in_week GROUP BY "sessionId" HAVING count(*) > 1
)
GROUP BY "sessionId" LIMIT $few;

-- name: once_of_few
("sessionId" NOT IN ($sessions) OR ("sessionId", segment) IN ($firsts))

-- name: count_of_few
-- Only those few are gathered from all shards to be told apart.
countIf("sessionId" NOT IN ($sessions)) + uniqExactIf("sessionId", "sessionId" IN ($sessions))

-- name: once_of_many
("sessionId", segment) IN (SELECT "sessionId", min(segment) FROM $database.$here WHERE $in_week GROUP BY "sessionId")

-- name: counted_before
SELECT DISTINCT "sessionId" FROM runs
WHERE $is_current AND $before AND "sessionId" IN (SELECT "sessionId" FROM $database.$here WHERE $in_week)
LIMIT $few;

-- name: new_of_few
"sessionId" NOT IN ($sessions)

-- name: new_of_many
"sessionId" NOT IN (
    SELECT "sessionId" FROM $database.$here
    WHERE $before AND "sessionId" IN (SELECT "sessionId" FROM $database.$here WHERE $in_week)
)

-- name: anyone_forgotten
SELECT count(*) FROM (SELECT 1 FROM forgotten LIMIT 1) AS one;

-- name: deletions
-- A clock that was ahead may have noted one that is yet to come.
SELECT count(*) FROM deletions WHERE at > ? AND at <= ?;

-- name: note_deletions
INSERT INTO deletions (at) VALUES (?);

-- name: to_be_deleted
-- Reads the machine of every run that is kept.
SELECT DISTINCT "anonymousId" FROM runs
WHERE $is_current AND "anonymousId" GLOBAL IN (SELECT "anonymousId" FROM $database.forgotten)
LIMIT 10000;

-- name: delete_machines
ALTER TABLE $here $on_cluster DELETE WHERE "anonymousId" IN ($machines);

-- name: partitions
SELECT DISTINCT partition FROM $all_parts WHERE database = ? AND table = ? AND active ORDER BY partition;

-- name: drop_partition
ALTER TABLE $here $on_cluster DROP PARTITION '$week';

-- name: drop_forgotten
-- All shards are replicas of this table, so one server tells the others.
ALTER TABLE forgotten DROP PARTITION '$week';

-- name: insert_candidate
INSERT INTO candidates (candidate, week, withheld, rejected) FORMAT TabSeparated

-- name: insert_candidate_cells
INSERT INTO candidate_cells (candidate, week, dimension, value, runs, machines) FORMAT TabSeparated

-- name: insert_candidate_slices
INSERT INTO candidate_slices (candidate, published, segment, week) FORMAT TabSeparated

-- name: propose
-- One name, one winner: the server makes the first and refuses the others.
CREATE VIEW "publication $week" AS SELECT '$candidate' AS candidate;

-- name: proposed
SELECT candidate FROM "publication $week";

-- name: propose_on_cluster
-- The same among many servers: ZooKeeper takes the first table at a path, with its columns, and refuses others'.
CREATE TABLE "publication $week" ("$candidate" UInt8)
ENGINE = ReplicatedMergeTree('$path/publications/$week', 'publication') ORDER BY tuple();

-- name: proposed_on_cluster
SELECT extract(value, '`([0-9a-f]+)`') FROM system.zookeeper
WHERE path = '$path/publications/$week' AND name = 'columns';

-- name: decide
INSERT INTO decided (week, candidate) VALUES (?, ?);

-- name: rejected_lines
SELECT sum(rejected) FROM (SELECT name, max(rejected) AS rejected FROM segments GROUP BY name) AS once;

-- name: collectors
SELECT collector, max(week) FROM collectors GROUP BY collector ORDER BY collector;

-- name: collector_reached
INSERT INTO collectors (collector, week) VALUES (?, ?);
