"""ClickHouse: the warehouse of many machines."""
