-- When all runs had been looked through for those of machines that asked to be forgotten, to the second, in UTC.
CREATE TABLE IF NOT EXISTS deletions $on_cluster (at String) ENGINE = $engine_of_deletions ORDER BY at $durably;
