"""Adopting a Typer program: what follows from its app and its name, and what its author is told that can't be."""

import json
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
import typer.main

from sst_core import SST, Adopted, AdoptionError, Choice, Product, adopt
from sst_core.adoption import _three_numbers
from sst_core.installation import installed_version
from sst_core.testing import Machine
from streaming import unread


def nothing() -> None:
    """Do nothing."""


@pytest.fixture
def app() -> typer.Typer:
    """Two commands and two groups, one of which has no name: its command stands among the others."""
    app, named, unnamed = typer.Typer(), typer.Typer(), typer.Typer()
    app.command()(nothing)
    app.command("by-name")(nothing)
    named.command("inner")(nothing)
    unnamed.command("outer")(nothing)
    app.add_typer(named, name="group")
    app.add_typer(unnamed)
    return app


def names(adopted: Adopted) -> tuple[str, ...]:
    """The commands that may be recorded."""
    kind = adopted.product.catalogue["command"].kind
    assert isinstance(kind, Choice)
    return kind.values


def adopted(app: typer.Typer, name: str = "acme", **options: str) -> Adopted:
    """Adopted without a distribution."""
    return adopt(app, name, **{"version": "1.2.3", "target": "acme.cli:main", **options})


def test_what_is_registered_is_the_closed_list(app: typer.Typer) -> None:
    program = adopted(app)
    app.command("late")(nothing)

    assert names(program) == ("nothing", "by-name", "group", "outer", "plugin")
    assert set(names(program)) == {*typer.main.get_command(app).commands, "plugin"} - {"late"}  # type: ignore[attr-defined]


@pytest.mark.parametrize("where", ["app", "callback"])
def test_a_program_that_does_something_alone_is_recorded_by_its_own_name(app: typer.Typer, where: str) -> None:
    if where == "app":
        app.info.invoke_without_command = True
        app.callback()(nothing)
    else:
        app.callback(invoke_without_command=True)(nothing)

    assert "acme" in names(adopted(app))


@pytest.mark.parametrize("name", ['a"b', "a b", "a\\b", "é", "x" * 41, "-x"])
def test_a_name_that_could_be_anything_is_not_listed(app: typer.Typer, name: str) -> None:
    app.command(name)(nothing)

    assert name not in names(adopted(app))


def test_a_command_called_plugin_is_listed_once(app: typer.Typer) -> None:
    app.command("plugin")(nothing)

    assert names(adopted(app)).count("plugin") == 1


def test_all_names_follow_from_the_programs(app: typer.Typer) -> None:
    product = adopted(app, "my-shop", collector="https://shop.example/events").product

    assert product.variable("TELEMETRY_DISABLED") == "MY_SHOP_TELEMETRY_DISABLED"
    assert [product.group(kind) for kind in ("plugins", "commands", "telemetry")] == [
        "my-shop.plugins",
        "my-shop.commands",
        "my-shop.telemetry",
    ]
    assert (product.telemetry, product.default_collector) == ("my-shop telemetry", "https://shop.example/events")
    assert (product.version, product.target) == ("1.2.3", "acme.cli:main")
    assert {field.key for field in product.catalogue} == {field.key for field in SST.catalogue} - {"sstVersion"} | {
        "version"
    }
    assert not any("sst" in f"{field.sentence}{field.key}".lower() for field in product.catalogue)


VERSIONS = {
    "1.2.3": "1.2.3",
    "1.2": "1.2.0",
    "7": "7.0.0",
    "v1.2.3": "1.2.3",
    "1.2.3.4": "1.2.3",
    "1.2.3rc1": "1.2.3",
    "1.2rc1": "1.2.0",
    "1!2.3.4": "2.3.4",
    "1.2.3+local.secret": "1.2.3",
    "1.2.3.dev4+gabcdef": "1.2.3",
    "20260101.1": "9999.1.0",
    "unknown": "0.0.0",
    "": "0.0.0",
}


@pytest.mark.parametrize(("version", "recorded"), VERSIONS.items())
def test_a_version_is_three_numbers(version: str, recorded: str) -> None:
    assert _three_numbers(version) == recorded
    assert SST.catalogue["sstVersion"].kind.accepts(recorded)


def test_the_version_is_that_of_the_distribution(app: typer.Typer) -> None:
    assert installed_version("PyTest_timeout") == installed_version("pytest-timeout") is not None
    assert installed_version("no-such-distribution") is None
    assert adopt(app, "acme", distribution="typer", target="x:y").product.version == _three_numbers(typer.__version__)


def test_a_program_without_a_version_is_refused(app: typer.Typer) -> None:
    with pytest.raises(AdoptionError, match=r"No distribution acme is installed. Give distribution=… or version=…"):
        adopt(app, "acme")


def test_a_program_that_has_a_command_telemetry_chooses_another_name(app: typer.Typer) -> None:
    app.command("telemetry")(nothing)

    with pytest.raises(AdoptionError, match="has a command called telemetry"):
        adopted(app)
    product = adopted(app, telemetry_command="usage").product
    assert product.telemetry == "acme usage"
    assert ("commands", "usage", "sst_telemetry.cli:app") in product.built_in


Write = Callable[[str], Path]


@pytest.fixture
def program(machine: Machine) -> Write:
    """Writes a module `shop` and gives its path; whatever it is, it can be imported."""
    folder = machine.home.parent / "modules"
    folder.mkdir()
    machine.environ["PYTHONPATH"] = str(folder)

    def write(code: str) -> Path:
        (folder / "shop.py").write_text(
            "import typer\nfrom sst_core import adopt\napp = typer.Typer()\n"
            "@app.callback()\ndef root(): pass\n@app.command()\ndef buy(): print('bought')\n" + code
        )
        return folder / "shop.py"

    return write


ADOPTED = 'main = adopt(app, "shop", version="1.0")\n'
GUARDED = f'{ADOPTED}if __name__ == "__main__":\n    main()\n'


def test_the_target_is_found_out_for_a_module(machine: Machine, program: Write) -> None:
    program(GUARDED)
    program_of = (sys.executable, "-c", "import shop, sys; print(shop.main.product.target)")

    assert machine.sst(program=program_of).stdout == "shop:main\n"
    assert machine.sst("buy", program=(sys.executable, "-m", "shop")).stdout == "bought\n"


def test_a_script_has_to_say_where_it_can_be_imported(machine: Machine, program: Write) -> None:
    ended = machine.sst("buy", program=(sys.executable, str(program(GUARDED))))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "shop: error: A process that sends has to import shop, which is a script. Put `main = adopt(…)` into a module "
        'that can be imported, or say where it is: target="module:main".\n'
    )

    script = program(GUARDED.replace('"1.0"', '"1.0", target="shop:main"'))
    assert machine.sst("buy", program=(sys.executable, str(script))).stdout == "bought\n"


def test_a_program_without_a_name_in_its_module_is_told(machine: Machine, program: Write) -> None:
    program('if __name__ == "__main__":\n    adopt(app, "shop", version="1.0")()\n')

    ended = machine.sst("buy", program=(sys.executable, "-m", "shop"))

    assert ended.returncode == 2
    assert "which is not bound to a name of its module" in ended.stderr


def test_a_program_of_one_command_is_refused_with_the_way_out(machine: Machine, program: Write) -> None:
    program("app.registered_callback = None\n" + GUARDED)

    ended = machine.sst(program=(sys.executable, "-m", "shop"))

    assert ended.returncode == 2
    assert "shop is a single command, so there is no place for `shop telemetry`." in ended.stderr


def test_what_is_registered_late_and_what_runs_alone_is_recorded_so(machine: Machine, program: Write) -> None:
    program(
        "app.registered_callback.invoke_without_command = True\n"
        + ADOPTED
        + "@app.command()\ndef secret(): pass\n"
        + 'if __name__ == "__main__":\n    main()\n'
    )
    shop = (sys.executable, "-m", "shop")
    machine.program = Path("shop")
    assert machine.sst("telemetry", "enable", program=shop).returncode == 0

    for arguments in (["secret"], [], ["buy"]):
        assert machine.sst(*arguments, program=shop).returncode == 0

    assert [json.loads(run.read_text())["command"] for run in machine.queued()] == ["plugin", "shop", "buy"]


SHELL = """
import sys

@app.command()
def shell(ctx: typer.Context):
    for line in sys.stdin.read().split():
        ctx.find_root().command.main([line], obj=ctx.obj, standalone_mode=False)

"""


def test_a_shell_of_the_programs_own_is_one_run_whatever_is_done_in_it(machine: Machine, program: Write) -> None:
    program(SHELL + GUARDED)
    shop = (sys.executable, "-m", "shop")
    machine.program = Path("shop")
    assert machine.sst("telemetry", "enable", program=shop).returncode == 0

    ended = machine.sst("-c", f"echo buy telemetry buy | {sys.executable} -m shop shell", program=("sh",))

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("bought\n") == 2
    assert [json.loads(run.read_text())["command"] for run in machine.queued()] == ["shell"]


CHANGING_FOLDERS = GUARDED.replace(
    "main = adopt",
    """
import os

@app.callback()
def root(directory: str = typer.Option(".", "-C")):
    os.chdir(directory)

main = adopt""",
    1,
)


@pytest.mark.parametrize("off", [None, "here", "there", "there/below"])
def test_a_teams_off_counts_where_a_program_starts_and_where_its_callback_takes_it(
    machine: Machine, program: Write, off: str | None
) -> None:
    program(CHANGING_FOLDERS)
    shop = (sys.executable, "-m", "shop")
    machine.program = Path("shop")
    assert machine.sst("telemetry", "enable", program=shop).returncode == 0
    (machine.folder / "here").mkdir()
    (machine.folder / "there" / "below").mkdir(parents=True)
    if off is not None:
        file = machine.folder / off / "shop.toml"
        file.write_text("[telemetry]\nenabled = false\n")
        file.chmod(0o644)

    ended = machine.sst("-C", "../there/below", "buy", program=shop, folder=machine.folder / "here")
    shown = machine.sst("-C", "../there/below", "telemetry", "--json", program=shop, folder=machine.folder / "here")

    assert (ended.returncode, ended.stdout) == (0, "bought\n")
    assert len(machine.queued()) == (off is None)
    assert json.loads(shown.stdout)["enabled"] is (off is None)


def test_a_teams_off_counts_for_who_starts_in_a_folder_that_is_gone(machine: Machine, program: Write) -> None:
    program(CHANGING_FOLDERS)
    shop = (sys.executable, "-m", "shop")
    machine.program = Path("shop")
    assert machine.sst("telemetry", "enable", program=shop).returncode == 0
    there = machine.folder / "there"
    there.mkdir()
    told = machine.sst("-C", str(there), "telemetry", "disable", "--project", program=shop)
    assert told.stdout.startswith(f"{there}/shop.toml says enabled = false."), "it is the team's where it works"
    (machine.folder / "gone").mkdir()
    leaving = f'cd {machine.folder}/gone && rmdir ../gone && exec "$0" "$@"'

    ended = machine.sst("-C", str(there), "buy", program=("sh", "-c", leaving, *shop))

    assert (ended.returncode, ended.stdout) == (0, "bought\n")
    assert machine.queued() == []


def test_a_pipe_that_nobody_reads_ends_our_command_as_it_ends_the_programs_own(
    machine: Machine, program: Write
) -> None:
    program(GUARDED)

    ended = machine.sst("telemetry", "status", program=unread(1, sys.executable, "-m", "shop"))

    assert (ended.returncode, ended.stderr) == (1, "")


ALIASES = """
from typer.core import TyperCommand, TyperGroup

class Aliases(TyperGroup):
    def get_command(self, ctx, name):
        if name == "purchase":
            return super().get_command(ctx, "buy")
        made_up = TyperCommand(name, callback=lambda: None) if name.startswith("my-") else None
        return super().get_command(ctx, name) or made_up

app.info.cls = Aliases
"""


def test_an_alias_is_recorded_as_registered_and_what_is_made_up_as_plugin(machine: Machine, program: Write) -> None:
    program(ALIASES + GUARDED)
    shop = (sys.executable, "-m", "shop")
    machine.program = Path("shop")
    assert machine.sst("telemetry", "enable", program=shop).returncode == 0

    for arguments in (["purchase"], ["my-secret"], ["buy"]):
        assert machine.sst(*arguments, program=shop).stderr == ""

    runs = [run.read_text() for run in machine.queued()]
    assert [json.loads(run)["command"] for run in runs] == ["buy", "plugin", "buy"]
    assert "secret" not in "".join(runs)


def test_plain_help_lists_what_plugins_bring_in_a_section_of_its_own(machine: Machine, program: Write) -> None:
    program(GUARDED.replace("main = adopt", "app.rich_markup_mode = None\nmain = adopt"))
    modules = machine.environ["PYTHONPATH"]
    machine.install("hello", "raise SystemExit('imported')", {"shop.commands": {"hello": "hello:hello"}})
    machine.environ["PYTHONPATH"] += os.pathsep + modules

    shown = machine.sst("--help", program=(sys.executable, "-m", "shop"))

    assert shown.stderr == ""
    assert shown.stdout.endswith(
        "Commands:\n  buy\n  telemetry  See and control what is recorded.\n\n"
        "Commands of plugins:\n  hello  What hello does.\n"
    )


def test_help_of_telemetry_is_short_too_in_a_program_whose_own_is_not(machine: Machine, program: Write) -> None:
    program(GUARDED)
    shop = (sys.executable, "-m", "shop")

    assert machine.sst("-h", program=shop).returncode == 2
    for arguments in (["telemetry"], ["telemetry", "forget"]):
        assert (
            machine.sst(*arguments, "-h", program=shop).stdout == machine.sst(*arguments, "--help", program=shop).stdout
        )


@pytest.mark.parametrize("target", ["sst_core.sst:main", "sst_core.sst:SST.name", "json:dumps"])
def test_what_is_no_product_is_refused(target: str) -> None:
    with pytest.raises(AdoptionError, match="is no product"):
        Product.at(target)


def test_a_product_is_found_by_itself_and_by_its_program(app: typer.Typer, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("adopting_module")
    module.inner = types.SimpleNamespace(main=adopted(app))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "adopting_module", module)

    assert Product.at("adopting_module:inner.main") is module.inner.main.product
    assert Product.at("sst_core.sst:SST") is SST
