"""DuckDB: the warehouse in one file."""
