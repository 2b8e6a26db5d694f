"""Which project a command works on, which provider does it, and what is said where there is none."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from sst_core import SST, ConfigurationError
from sst_core.project import read_settings, settings_files
from sst_core.testing import Machine, Watcher

_PROVIDER = """
from sst_core import Detected, ProviderResult, hookimpl

@hookimpl
def detect_provider(context, root, settings):
    return Detected("{name}", "because of {name}")

@hookimpl
def build(context, project, options):
    if project.provider != "{name}":
        return None
    {body}
"""


def provider(machine: Machine, name: str, body: str = "return ProviderResult(11)") -> None:
    machine.install(name, _PROVIDER.format(name=name, body=body), {"sst.plugins": {name: name}})


def test_nothing_that_knows_the_folder_is_an_error_with_the_lines_that_help(machine: Machine, watcher: Watcher) -> None:
    run = machine.sst("build")

    assert run.returncode == 2
    assert run.stderr.startswith("sst: error: Nothing here says how to build the app: there is no sst.toml in ")
    assert str(machine.folder) in run.stderr
    assert "tasks" in run.stderr
    assert run.stderr.endswith('    [tasks]\n    build = ["python", "build.py"]\n    start = ["python", "app.py"]\n')
    assert watcher.ending() == (("build",), 2, "error")


def test_the_lines_that_help_do_help(machine: Machine) -> None:
    lines = machine.sst("build").stderr.partition("own command:\n\n")[2]
    file = machine.folder / "sst.toml"
    file.write_text("".join(line.strip() + "\n" for line in lines.splitlines()))
    file.chmod(0o644)
    (machine.folder / "build.py").write_text("print('built')")

    assert machine.sst("build").stdout == "built\n"


def test_a_file_that_names_no_provider_is_named(machine: Machine) -> None:
    file = machine.folder / "sst.toml"
    file.write_text("[other]\n")
    file.chmod(0o644)

    run = machine.sst("build")

    assert run.returncode == 2
    assert f"{file} names none" in run.stderr


def test_two_claims_are_an_error_that_names_both(machine: Machine) -> None:
    machine.project('build = ["touch", "ran"]')
    provider(machine, "other")

    run = machine.sst("build")

    assert run.returncode == 2
    assert "More than one provider claims" in run.stderr
    assert "tasks (it has [tasks])" in run.stderr
    assert "other (because of other)" in run.stderr
    assert not (machine.folder / "ran").exists()
    assert machine.sst("build", env={"SST_DISABLE_PLUGINS": "other"}).returncode == 0


def test_of_two_claims_the_settings_decide(machine: Machine) -> None:
    provider(machine, "other")
    for name, exit_code in (("tasks", 0), ("other", 11), ("third", 2)):
        file = machine.folder / "sst.toml"
        file.write_text(f'provider = "{name}"\n[tasks]\nbuild = ["touch", "ran"]\n')
        file.chmod(0o644)

        run = machine.sst("build")

        assert run.returncode == exit_code
        assert (machine.folder / "ran").exists()  # made by the first
    assert f"{file} says provider = 'third'" in run.stderr


def test_a_claim_alone_is_the_provider(machine: Machine) -> None:
    provider(machine, "other")

    assert machine.sst("build").returncode == 11


def test_a_provider_that_cannot_do_it_is_an_error_that_names_both(machine: Machine) -> None:
    provider(machine, "other")

    run = machine.sst("deploy")

    assert run.returncode == 2
    assert run.stderr == f"sst: error: The provider other does not know how to deploy {machine.folder}.\n"


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (
            "raise ValueError('what went wrong')",
            1,
            "sst: error: the provider other failed in build: ValueError: what went wrong\n",
        ),
        ("raise SystemExit(9)", 9, ""),
        ("import sst_core; raise sst_core.SstError('in words')", 1, "sst: error: in words\n"),
        ("import sst_core; raise sst_core.ConfigurationError('in words')", 2, "sst: error: in words\n"),
    ],
)
def test_a_providers_failure_is_the_commands_own(
    machine: Machine, watcher: Watcher, body: str, code: int, words: str
) -> None:
    provider(machine, "other", body)

    run = machine.sst("build")

    assert run.returncode == code
    assert run.stderr.startswith(words)
    assert "switches it off" not in run.stderr
    assert watcher.ending() == (("build",), code, "error")


def test_a_provider_gets_the_project_and_what_stands_after_the_dashes(machine: Machine) -> None:
    file = machine.project('build = ["x"]')
    file.write_text("answer = 42\n")
    provider(
        machine,
        "other",
        "print(project.root, project.settings_file, dict(project.settings), options.arguments)"
        "; return ProviderResult(0)",
    )
    below = machine.folder / "below"
    below.mkdir()

    run = machine.sst("build", "--", "--flag", "a b", "--", "c", folder=below)

    expected = f"{machine.folder} {file} {{'answer': 42}} ('--flag', 'a b', '--', 'c')\n"
    assert (run.returncode, run.stdout) == (0, expected)


def test_the_nearest_file_decides_what_is_built(machine: Machine) -> None:
    machine.project('build = ["echo", "above"]')
    below = machine.folder / "below"
    below.mkdir()
    machine.project('build = ["echo", "below"]', folder=below)

    assert machine.sst("build", folder=below).stdout == "below\n"
    assert machine.sst("build").stdout == "above\n"


def test_every_file_above_is_found_the_nearest_first(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (below / "sst.toml").write_text("")
    (tmp_path / "sst.toml").symlink_to("nowhere")

    assert list(settings_files(SST, below))[:2] == [below / "sst.toml", tmp_path / "sst.toml"]
    (below / "sst.toml").chmod(0o600)
    assert read_settings(SST, below) == (below / "sst.toml", {})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[tasks", "is not valid TOML"),
        (b"a = '\xff'", "is not UTF-8 text"),
    ],
)
def test_a_file_that_does_not_parse_builds_nothing(machine: Machine, content: bytes, words: str) -> None:
    file = machine.folder / "sst.toml"
    file.write_bytes(content)
    file.chmod(0o644)

    run = machine.sst("build")

    assert run.returncode == 2
    assert run.stderr.startswith(f"sst: error: {file} {words}")


def test_a_working_directory_that_is_gone_is_an_error_and_no_crash(machine: Machine) -> None:
    gone = ("sh", "-c", 'rmdir "$PWD"; exec "$0" "$@"', *sst())

    build = machine.sst("build", program=gone)
    machine.folder.mkdir()
    status = machine.sst("telemetry", program=gone)

    assert build.returncode == 2
    assert "The working directory does not exist any more." in build.stderr
    assert (status.returncode, status.stderr) == (0, "")


def sst() -> tuple[str, ...]:
    from sst_core.testing import PROGRAM

    return (str(PROGRAM),)


@pytest.mark.parametrize("environ", [{}, {"SST_NO_PLUGINS": "1"}], ids=str)
def test_the_products_own_provider_needs_no_other(machine: Machine, environ: Mapping[str, str]) -> None:
    machine.project('deploy = ["echo", "deployed"]')

    assert machine.sst("deploy", env=environ).stdout == "deployed\n"


def test_a_file_that_goes_away_while_it_is_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sst.toml").touch()
    monkeypatch.setattr("sst_core.project.read_toml", lambda _: None)

    with pytest.raises(ConfigurationError, match=r"sst\.toml went away while it was read. Try again."):
        read_settings(SST, tmp_path)
