-- On a shard that nothing was ever written to, a replica that is behind can't be told from one that is not (see
-- `is_current`). So something is written to each, and deleted.
INSERT INTO runs (week, segment, "sessionId", "anonymousId")
SELECT '', 0, generateUUIDv4(), generateUUIDv4() FROM system.numbers LIMIT 4096;

ALTER TABLE $here $on_cluster DROP PARTITION '';
