"""What the SQL files leave open, because it depends on the servers: engines, paths, and what concerns all of them."""

from sst_collector.warehouse.clickhouse.server import Server
from sst_collector.warehouse.sql_files import statements

_WHOLE_EVERYWHERE = (
    *("migrations", "segments", "forgotten", "collectors", "decided", "deletions"),
    *("candidates", "candidate_cells", "candidate_slices"),
)


def names_at(server: Server, database: str, cluster: str | None) -> dict[str, str]:
    """The names that the files use, with what stands for each at `server`."""
    path = f"/clickhouse/sst/{database}"
    knows_fsync = server.ask("SELECT count(*) FROM system.merge_tree_settings WHERE name = 'fsync_after_insert'")
    names = {
        "database": database,
        "path": path,
        "durably": "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1" if knows_fsync != [(0,)] else "",
        "on_cluster": f"ON CLUSTER {cluster}" if cluster else "",
        "here": "runs_here" if cluster else "runs",
        "all_parts": f"cluster('{cluster}', system, parts)" if cluster else "system.parts",
        "all_replicas": f"cluster('{cluster}', system, replicas)" if cluster else "system.replicas",
        "engine_of_runs": "ReplacingMergeTree()",
        "gather_shards": "",
    }
    if cluster:
        gather = statements("clickhouse")["gather_shards"]
        names["gather_shards"] = gather.substitute(names, cluster=cluster)
        names["engine_of_runs"] = f"ReplicatedReplacingMergeTree('{path}/{{shard}}/runs', '{{replica}}')"
    for table in _WHOLE_EVERYWHERE:
        replicated = f"ReplicatedMergeTree('{path}/everywhere/{table}', '{{shard}}-{{replica}}')"
        names[f"engine_of_{table}"] = replicated if cluster else "MergeTree()"
    return names
