"""What the collector's commands say where something that they need is missing or wrong."""

import os
import subprocess
from pathlib import Path

import pytest

from permissions import modestly
from sst_core.testing import PROGRAM, Machine

PACKAGES = ("duckdb", "falcon", "msgspec", "uvicorn")
ADDRESS = "clickhouse://127.0.0.1:9/sst"


@pytest.fixture
def bare(machine: Machine, tmp_path: Path) -> Machine:
    """A machine whose Python lacks what only a collector needs."""
    missing = tmp_path / "missing"
    missing.mkdir()
    for name in PACKAGES:
        (missing / f"{name}.py").write_text(f"raise ModuleNotFoundError('No module named {name}', name='{name}')")
    machine.environ["PYTHONPATH"] = os.pathsep.join([str(missing), *filter(None, [machine.environ.get("PYTHONPATH")])])
    return machine


@pytest.mark.parametrize(
    "command", [("serve",), ("export", "site"), ("stats",), ("doctor",), ("move", "--warehouse", ADDRESS)]
)
def test_without_its_packages_a_command_says_how_to_get_them(bare: Machine, command: tuple[str, ...]) -> None:
    ended = bare.sst("collector", *command, "--data", "data")

    assert ended.returncode == 1
    assert ended.stderr.startswith("sst: error: The collector needs packages that are not installed (")
    how = "Get them with the extra collector: install sst as you did, with [collector] behind it.\n"
    assert ended.stderr.endswith(f"). {how}")
    assert any(f"({name})" in ended.stderr for name in PACKAGES)


@pytest.mark.parametrize(
    "target", ["no_such_module:main", "json:nothing", "json:dumps", "json", "sst_core.sst:SST.name"]
)
def test_a_product_that_is_none_is_a_wrong_option(machine: Machine, target: str) -> None:
    ended = machine.in_process("collector", "stats", "--data", "data", "--product", target)

    assert ended.returncode == 2
    assert "Invalid value for --product" in ended.stderr
    assert target.partition(":")[0] in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("code", "why"),
    [("1 / 0", "ZeroDivisionError"), ("raise SystemExit(3)", "SystemExit(3)"), ("def", "invalid syntax")],
)
def test_a_product_whose_module_does_not_come_to_its_end_is_a_wrong_option(
    machine: Machine, code: str, why: str
) -> None:
    machine.install("shop", code, {})

    ended = machine.in_process("collector", "stats", "--data", "data", "--product", "shop:main")

    assert ended.returncode == 2
    assert "Invalid value for --product" in ended.stderr
    assert why in ended.stderr
    assert "This is a bug" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("serve", "--data", "data", "--host", ""), "name an address; 0.0.0.0 is every one of this machine"),
        (("move", "--data", "data"), "Missing option '--warehouse' (env var: 'SST_COLLECTOR_WAREHOUSE')."),
        (("move", "--data", "data", "--warehouse", ""), "It looks like clickhouse://"),
        (("serve", "--data", "data", "--port", "abc"), "'abc' is not a valid whole number."),
        (("serve", "--data", "data", "--trusted-proxy", "proxy"), "'proxy' is no address, such as 10.0.0.7"),
        (("serve", "--data", "data", "--trusted-proxy", ""), "'' is no address, such as 10.0.0.7"),
        (("serve", "--data", "data", "--port", "8", "--admin-port", "8"), "8 is the port of --port"),
        (("serve", "--data", "data", "--host", "[]"), "name an address; 0.0.0.0 is every one of this machine"),
        (("serve", "--data", "data", "--keep-days", "800000"), "31<=x<=36500"),
        (("serve", "--data", "data", "--snapshot-every", "800000"), "1<=x<=604800"),
        (("serve", "--data", ""), "name a folder; . is the one that you are in"),
        (("serve", "--data", "data?x=1"), "name one without ?: DuckDB takes what is behind it for options of its own"),
        (("serve", "--data", "data", "--site-key", ""), "name a folder; . is the one that you are in"),
        (("export", "", "--data", "data"), "name a folder; . is the one that you are in"),
    ],
)
def test_what_is_left_out_or_can_not_be_is_asked_for(machine: Machine, arguments: tuple[str, ...], told: str) -> None:
    ended = machine.in_process("collector", *arguments)

    assert (ended.returncode, told in " ".join(ended.stderr.split())) == (2, True), ended.stderr
    assert not [*machine.folder.glob("data*")]


def test_a_snapshot_that_is_not_yours_to_read_is_an_error_in_words(tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot.json"
    snapshot.touch(mode=0)

    command = [*modestly(PROGRAM), "collector", "stats", "--data", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (1, f"sst: error: {snapshot} can't be read: Permission denied.\n")


def test_a_server_says_what_to_do_about_a_snapshot_that_it_can_not_read(tmp_path: Path) -> None:
    (tmp_path / "lock").touch(mode=0o600)
    (tmp_path / "snapshot.json").mkdir()

    command = [str(PROGRAM), "collector", "serve", "--data", str(tmp_path), "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    told = f"{tmp_path}/snapshot.json can't be read: Is a directory. Delete it: the next round writes it anew."
    assert (ended.returncode, " ".join(ended.stderr.split())) == (1, f"sst: error: {told}")
