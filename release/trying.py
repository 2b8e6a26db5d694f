"""Tries what is installed beside this Python, as a user would, with nothing but what was installed.

    …/bin/python -P release/trying.py [--with-extras | --with-sam]

Without either: in an environment with nothing but the package and what it needs. With all extras but `sam`, each of its
modules has to import. With `sam`, an app is built by the SAM CLI. `examples/demo.py` does the rest: a collector that
takes in and answers.
"""

import argparse
import json
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path

from sst_core.testing import Machine
from sst_core.testing.machine import new_machine

SST = distribution("sst")
APP = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  Orders:
    Type: AWS::Serverless::SimpleTable
"""


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


def modules() -> Iterator[str]:
    """Each module that was installed, packages first; a plugin's template is none, and a program is no module."""
    for file in sorted(SST.files or ()):
        if file.suffix == ".py" and "template" not in file.parts and file.name != "__main__.py":
            yield ".".join(file.with_suffix("").parts).removesuffix(".__init__")


def installed(names: list[str]) -> None:
    """Each imports, and is the one that is installed."""
    site = Path(sysconfig.get_path("purelib"))
    strangers = [name for name in names if not Path(import_module(name).__file__ or "").is_relative_to(site)]
    check(not strangers and len(names) > 0, f"{len(names)} modules are those that are installed {strangers or ''}")


def alone(machine: Machine) -> None:
    """Without extras: a project is built, telemetry tells of itself, a collector says how to get it."""
    packages = [name for name in modules() if "." not in name]
    check({"sst_core", "sst_aws", "sst_telemetry", "sst_null"} <= set(packages), f"there are {', '.join(packages)}")
    installed(packages)
    for entry in SST.entry_points:
        check(entry.load() is not None, f"the entry point {entry.name} of {entry.group} loads")
    check(ran(machine, "--version").strip().endswith(SST.version), "it says its version")
    shown = ran(machine, "--help")
    check(all(command in shown for command in ("build", "telemetry", "collector")), "help lists the commands")
    machine.see_notice()
    ran(machine, "build")
    check(len(machine.queued()) == 1, "the run after the notice is recorded")
    status = json.loads(ran(machine, "telemetry", "--json"))
    check((status["enabled"], status["queued"], status["collector"]) == (True, 1, None), "telemetry tells of it")
    listed = ran(machine, "plugins", "list")
    check(all(plugin in listed for plugin in ("cdk", "sam", "tasks", "telemetry")), "plugins are listed")
    ran(machine, "telemetry", "disable")
    check(not machine.telemetry.exists(), "off deletes all")
    said = ran(machine, "collector", "serve", "--data", "events", exit_code=1)
    check("[collector]" in said, f"a collector says how to get it: {said.strip()}")


def with_extras(machine: Machine) -> None:
    """With all extras but `sam`: everything imports, and no plugin has anything wrong with it."""
    installed(list(modules()))
    ran(machine, "plugins", "doctor")


def with_sam(machine: Machine) -> None:
    """With the extra `sam`: the tool beside this Python builds an app that needs no other tool."""
    (machine.folder / "template.yaml").write_text(APP)
    (machine.folder / "template.yaml").chmod(0o644)
    ran(machine, "build", "--stage", "dev")
    (built,) = machine.folder.glob(".sst/build/dev/**/template.yaml")
    check("Orders" in built.read_text(), "the SAM CLI that came with it built the app")


def main() -> None:
    """End with 1 at the first thing that is wrong."""
    parser = argparse.ArgumentParser(description="Try what is installed beside this Python.")
    which = parser.add_mutually_exclusive_group()
    for option, trying in (("--with-extras", with_extras), ("--with-sam", with_sam)):
        which.add_argument(option, dest="trying", action="store_const", const=trying, default=alone)
    with tempfile.TemporaryDirectory() as folder:
        parser.parse_args().trying(new_machine(Path(folder)))


if __name__ == "__main__":
    main()
