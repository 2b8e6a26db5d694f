-- The runs are in partitions, a table for each week in which they arrived: `create_partition`.
CREATE TABLE segments (name VARCHAR NOT NULL PRIMARY KEY, rejected BIGINT NOT NULL);

CREATE TABLE published_weeks (
    week VARCHAR NOT NULL PRIMARY KEY,
    withheld BIGINT NOT NULL,
    rejected BIGINT NOT NULL
);

CREATE TABLE published_cells (
    week VARCHAR NOT NULL,
    dimension VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    runs BIGINT NOT NULL,
    machines BIGINT,
    PRIMARY KEY (week, dimension, value)
);
