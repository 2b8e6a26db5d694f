"""Tries what is installed beside this Python, as a user would, with nothing but what the wheel brings.

…/bin/python -P release/trying.py
"""

import json
import sys
import sysconfig
import tempfile
from importlib import import_module
from pathlib import Path

from sst_core.testing import Machine
from sst_core.testing.machine import new_machine

PACKAGES = ("sst_core", "sst_telemetry", "sst_null", "sst_collector", "sst_tasks")


def check(right: bool, what: str) -> None:
    """End with 1 unless it is right."""
    if not right:
        sys.exit(f"WRONG: {what}")
    print(f"ok: {what}")


def ran(machine: Machine, *arguments: str, exit_code: int = 0) -> str:
    """What a command printed, if it ended as it has to."""
    ended = machine.sst(*arguments)
    check(ended.returncode == exit_code, f"`sst {' '.join(arguments)}` ends with {exit_code}{_unless(ended.stderr)}")
    return ended.stdout + ended.stderr


def _unless(stderr: str) -> str:
    return f" ({stderr.strip()})" if stderr.strip() else ""


def main() -> None:
    """Without the extra: a project is built, telemetry tells of itself, a collector says how to get it."""
    site = Path(sysconfig.get_path("purelib"))
    for package in PACKAGES:
        file = import_module(package).__file__
        check(file is not None and Path(file).is_relative_to(site), f"{package} is the one that is installed")
    with tempfile.TemporaryDirectory() as folder:
        machine = new_machine(Path(folder))
        check(ran(machine, "--version").strip().endswith(import_module("sst_core").__version__), "it says its version")
        shown = ran(machine, "--help")
        check(all(command in shown for command in ("build", "telemetry", "collector")), "help lists the commands")
        machine.see_notice()
        ran(machine, "build")
        check(len(machine.queued()) == 1, "the run after the notice is recorded")
        status = json.loads(ran(machine, "telemetry", "--json"))
        check((status["enabled"], status["queued"], status["collector"]) == (True, 1, None), "telemetry tells of it")
        ran(machine, "plugins", "list")
        ran(machine, "telemetry", "disable")
        check(not machine.telemetry.exists(), "off deletes all")
        said = ran(machine, "collector", "serve", "--data", "events", exit_code=1)
        check("sst[collector]" in said, f"a collector says how to get it: {said.strip()}")


if __name__ == "__main__":
    main()
