"""The example app, built and served through `sst` as its reader would."""

import hashlib
import json
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sst_core.testing import Machine

ORDERS = Path(__file__).parents[2] / "examples" / "orders"
BUILT = Path(".sst") / "build" / "orders.zip"


@pytest.fixture
def orders(machine: Machine) -> Path:
    """A copy of the example, which is where `sst` is run."""
    shutil.copytree(ORDERS, machine.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".sst", "__pycache__"))
    (machine.folder / "sst.toml").chmod(0o644)
    return machine.folder


@pytest.fixture
def handler(machine: Machine, orders: Path, tmp_path: Path) -> Iterator[Any]:
    """The function, out of the zip that was built."""
    assert machine.sst("build").returncode == 0
    sys.path.insert(0, str(orders / BUILT))
    try:
        import handler  # type: ignore[import-not-found]

        yield handler.handler
    finally:
        sys.path.pop(0)
        sys.modules.pop("handler", None)


def test_build_makes_a_zip_with_the_handler(machine: Machine, orders: Path) -> None:
    ended = machine.sst("build")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"built {BUILT}" in ended.stdout
    with zipfile.ZipFile(orders / BUILT) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["handler.py"]
        assert archive.read("handler.py") == (orders / "src" / "handler.py").read_bytes()
        assert archive.infolist()[0].external_attr >> 16 == 0o644


def test_the_same_sources_make_the_same_bytes(machine: Machine, orders: Path) -> None:
    digests = set()
    for _ in range(2):
        machine.sst("build")
        digests.add(hashlib.sha256((orders / BUILT).read_bytes()).hexdigest())
        shutil.rmtree(orders / ".sst")
        source = orders / "src" / "handler.py"
        content = source.read_bytes()
        source.unlink()
        source.write_bytes(content)

    assert len(digests) == 1


def test_another_source_makes_other_bytes(machine: Machine, orders: Path) -> None:
    machine.sst("build")
    before = (orders / BUILT).read_bytes()
    (orders / "src" / "more.py").write_text("MORE = 1\n")

    machine.sst("build")

    assert (orders / BUILT).read_bytes() != before


def test_a_source_that_does_not_compile_fails_the_build_and_leaves_the_last_good_one(
    machine: Machine, orders: Path
) -> None:
    machine.sst("build")
    before = (orders / BUILT).read_bytes()
    (orders / "src" / "zz_broken.py").write_text("def broken(:\n")

    ended = machine.sst("build")

    assert ended.returncode == 1
    assert "zz_broken.py" in ended.stderr
    assert "SyntaxError" in ended.stderr
    assert (orders / BUILT).read_bytes() == before


def test_the_handler_adds_an_order_up(handler: Any) -> None:
    answer = handler({"body": '{"tea": 2, "cake": 1}'}, None)

    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"total": 1090})
    assert json.loads(handler({}, None)["body"]) == {"total": 0}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ('{"tea": 1, "coffee": 2}', "not on the list: coffee"),
        ("{", "not JSON"),
        ("[]", "an order is an object of items and how many of each"),
        ('{"tea": "2"}', "an order is an object of items and how many of each"),
        ('{"tea": -2}', "an order is an object of items and how many of each"),
        ('{"tea": true}', "an order is an object of items and how many of each"),
    ],
)
def test_the_handler_refuses_what_is_no_order(handler: Any, body: str, error: str) -> None:
    answer = handler({"body": body}, None)

    assert (answer["statusCode"], json.loads(answer["body"])) == (400, {"error": error})


def test_start_answers_on_loopback_until_ctrl_c(machine: Machine, orders: Path) -> None:
    terminal = machine.terminal("start", "--", "0", env={"SST_TELEMETRY_DISABLED": "1"})
    terminal.wait_for("/\n")
    url = terminal.text.split()[-1]

    good, bad = httpx.post(url, content=b'{"tea": 1}'), httpx.post(url, content=b"nonsense")
    terminal.type("\x03")
    screen = terminal.end()

    assert url.startswith("http://127.0.0.1:")
    assert (good.status_code, good.json()) == (200, {"total": 320})
    assert bad.status_code == 400
    assert screen.exit_code == 0
    assert screen.text.endswith("stopped\n")
    with pytest.raises(httpx.ConnectError):
        httpx.post(url)
