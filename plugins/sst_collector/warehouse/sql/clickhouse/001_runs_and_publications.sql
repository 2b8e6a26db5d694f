-- $here is a shard's own table of runs, and `runs` all shards' together; on one server both are `runs`. Every other table
-- is whole on every server.

CREATE TABLE IF NOT EXISTS $here $on_cluster (
    week String,
    segment UInt64,
    $columns
)
-- Of what a retry wrote twice, merges leave one. Nothing waits for them: reads fold.
ENGINE = $engine_of_runs PARTITION BY week ORDER BY ("sessionId", segment) $durably;

$gather_shards;

-- A slice of a segment is its runs of one week, and a segment without runs has one of no week. Runs count once their
-- slice is here: that makes a load whole, however many inserts it took.
CREATE TABLE IF NOT EXISTS segments $on_cluster (name String, segment UInt64, week String, rejected Int64)
ENGINE = $engine_of_segments ORDER BY name $durably;

CREATE TABLE IF NOT EXISTS forgotten $on_cluster (week String, "anonymousId" UUID)
ENGINE = $engine_of_forgotten PARTITION BY week ORDER BY "anonymousId" $durably;

-- What a collector has loaded: everything that reached it before this week.
CREATE TABLE IF NOT EXISTS collectors $on_cluster (collector String, week String)
ENGINE = $engine_of_collectors ORDER BY collector $durably;

-- Collectors may want to publish a week at the same time. Each writes a candidate down, one is decided on (see
-- `propose`), and nobody ever reads another.
CREATE TABLE IF NOT EXISTS candidates $on_cluster (candidate String, week String, withheld Int64, rejected Int64)
ENGINE = $engine_of_candidates ORDER BY candidate $durably;

CREATE TABLE IF NOT EXISTS candidate_cells $on_cluster (
    candidate String, week String, dimension String, value String, runs Int64, machines Nullable(Int64)
)
ENGINE = $engine_of_candidate_cells ORDER BY (candidate, dimension, value) $durably;

-- The slices that a candidate counted. What is in none that was decided on counts in the next week that is published.
CREATE TABLE IF NOT EXISTS candidate_slices $on_cluster (candidate String, published String, segment UInt64, week String)
ENGINE = $engine_of_candidate_slices ORDER BY (candidate, segment) $durably;

CREATE TABLE IF NOT EXISTS decided $on_cluster (week String, candidate String)
ENGINE = $engine_of_decided ORDER BY week $durably;

CREATE VIEW IF NOT EXISTS published_weeks $on_cluster AS
SELECT DISTINCT week, withheld, rejected FROM $database.candidates
WHERE candidate IN (SELECT candidate FROM $database.decided);

CREATE VIEW IF NOT EXISTS published_cells $on_cluster AS
SELECT DISTINCT week, dimension, value, runs, machines FROM $database.candidate_cells
WHERE candidate IN (SELECT candidate FROM $database.decided);

CREATE VIEW IF NOT EXISTS counted_slices $on_cluster AS
SELECT DISTINCT published, segment, week FROM $database.candidate_slices
WHERE candidate IN (SELECT candidate FROM $database.decided);
