"""The fixtures `machine`, `watcher` and `no_leaks`."""

pytest_plugins = ["sst_core.testing"]
