"""Off means that nothing happens: no import, no socket, no process, no thread, no write, nothing under HOME."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from permissions import only_root
from sst_core import SST, Consent
from sst_core.testing import Machine, Probe, Probed
from trees import tree

COLLECTING = ("sst_telemetry", "httpx", "distro")
HEAVY = ("httpx", "distro", "rich", "pydantic", "tomlkit", "sst_collector", "asyncio", "ssl")

THE_BUILD = ("subprocess.Popen", "true")

Way = Callable[[Machine], dict[str, str]]


def variable(machine: Machine) -> dict[str, str]:
    """The variable of the public page."""
    return {"SST_TELEMETRY_DISABLED": "1"}


def do_not_track(machine: Machine) -> dict[str, str]:
    """The variable that many programs share."""
    return {"DO_NOT_TRACK": "true"}


def project(machine: Machine) -> dict[str, str]:
    """The project says no."""
    machine.project('build = ["true"]', extra="[telemetry]\nenabled = false")
    return {}


def folder_above(machine: Machine) -> dict[str, str]:
    """A folder above the project says no."""
    file = machine.folder.parent / "sst.toml"
    file.write_text("[telemetry]\nenabled = false\n")
    file.chmod(0o644)
    return {}


def user(machine: Machine) -> dict[str, str]:
    """The user has said no."""
    Consent(SST, machine.environ, machine.folder, ci=None).write_user_choice(False)
    return {}


def unreadable_choice(machine: Machine) -> dict[str, str]:
    """What the user has said can't be read."""
    machine.config_file.parent.mkdir(parents=True)
    machine.config_file.write_text("[telemetry")
    return {}


def notice_not_seen(machine: Machine) -> dict[str, str]:
    """Nobody has seen the notice."""
    (machine.telemetry / "notice").unlink()
    return {}


def notice_grown(machine: Machine) -> dict[str, str]:
    """Nobody has seen all of the notice."""
    seen = machine.telemetry / "notice"
    seen.write_text("".join(seen.read_text().splitlines(keepends=True)[1:]))
    return {}


def blocked(machine: Machine) -> dict[str, str]:
    """The telemetry plugin is switched off by name."""
    return {"SST_DISABLE_PLUGINS": "telemetry"}


def no_home(machine: Machine) -> dict[str, str]:
    """There is no home folder to find the user's choice in."""
    return {"HOME": "not/absolute"}


def home_without_consent(machine: Machine) -> dict[str, str]:
    """A home folder that isn't there."""
    return {"HOME": str(machine.home / "nowhere")}


WAYS: tuple[Way, ...] = (
    variable,
    do_not_track,
    project,
    folder_above,
    user,
    unreadable_choice,
    notice_not_seen,
    notice_grown,
    blocked,
    no_home,
    home_without_consent,
)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_off_imports_nothing_that_collects_and_leaves_no_trace(consenting: Machine, way: Way) -> None:
    probe = Probe.on(consenting)
    environ = way(consenting)
    before = tree(consenting.home)

    # Debugging, since a failure of the null plugin's would be as silent as telemetry's own.
    environ = {"SST_DEBUG_PLUGINS": "1", "SST_TELEMETRY_URL": "http://127.0.0.1:9/events", **environ}
    run = consenting.sst("build", env=environ)

    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    probed = probe.read()
    assert probed.imported(*COLLECTING, *HEAVY) == set()
    assert probed.events == (THE_BUILD,)
    assert tree(consenting.home) == before
    assert ("sst_null" in probed.modules) is (way is not blocked)


def test_off_in_ci_is_as_silent(consenting: Machine) -> None:
    probe = Probe.on(consenting)
    before = tree(consenting.home)

    consenting.sst("build", env={"CI": "true", "SST_TELEMETRY_DISABLED": "1"})

    probed = probe.read()
    assert probed.imported(*COLLECTING) == set()
    assert probed.events == (THE_BUILD,)
    assert tree(consenting.home) == before


def test_on_is_seen_by_the_same_probe(consenting: Machine) -> None:
    probe = Probe.on(consenting)

    run = consenting.sst("build")

    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    probed = probe.read()
    assert "sst_telemetry" in probed.modules
    assert "sst_null" not in probed.modules
    assert probed.imported(*HEAVY) == set(), "the sender imports these, and no command"
    assert "sst_telemetry.sender" in dict(probed.events)["os.posix_spawn"]
    opened = [what for event, what in probed.events if event == "open"]
    assert any(str(consenting.queue) in path for path in opened)
    assert all(path.startswith(str(consenting.telemetry)) for path in opened)
    assert len(consenting.queued()) == 1


@contextmanager
def written_by_root(path: Path, text: str) -> Iterator[None]:
    """An administrator's file for a moment."""
    path.parent.mkdir()
    try:
        path.write_text(text)
        path.chmod(0o644)
        yield
    finally:
        path.unlink()
        path.parent.rmdir()


@pytest.mark.parametrize("policy", ["[telemetry]\nenabled = false\n", "[telemetry", None], ids=["no", "torn", "absent"])
def test_the_administrators_file_is_at_a_path_that_no_variable_moves(machine: Machine, policy: str | None) -> None:
    only_root("write the administrator's file")
    # A program of another name, so that this machine's own policy is left alone.
    name = f"sst-test-{os.getpid()}"
    product = f"import dataclasses\nfrom sst_core import SST\nPRODUCT = dataclasses.replace(SST, name={name!r})\n"
    code = (
        "from sst_core import hookimpl\n" + product.replace(f"name={name!r}", f"name={name!r}, distribution='policed'")
    ) + "if __name__ == '__main__':\n    from sst_core.cli import run\n    run(PRODUCT)\n"
    groups = {
        f"{name}.commands": {
            "build": "sst_core.provider_commands:build",
            "telemetry": "sst_telemetry.cli:app",
        },
        f"{name}.plugins": {"tasks": "sst_tasks:plugin"},
        f"{name}.telemetry": {"telemetry": "sst_telemetry:plugin"},
    }
    machine.install("policed", code, groups)
    file = machine.folder / f"{name}.toml"
    file.write_text('[tasks]\nbuild = ["true"]\n')
    file.chmod(0o644)
    program = (sys.executable, "-m", "policed")
    elsewhere = {"XDG_CONFIG_DIRS": str(machine.home), "XDG_CONFIG_HOME": str(machine.home / "c")}

    def build() -> Probed:
        run = machine.sst("build", env=elsewhere, program=program)
        assert (run.returncode, run.stderr) == (0, "")
        return probe.read()

    assert machine.sst("telemetry", "enable", env=elsewhere, program=program).returncode == 0
    probe = Probe.on(machine)
    assert "sst_telemetry" in build().modules

    if policy is None:
        return
    with written_by_root(Path("/etc") / name / "policy.toml", policy):
        probed = build()
        status = machine.sst("telemetry", env={**elsewhere, "PROBE_LOG": ""}, program=program)
    assert probed.imported(*COLLECTING) == set()
    assert probed.events == (THE_BUILD,)
    assert f"/etc/{name}/policy.toml" in status.stdout
    assert status.stdout.startswith("Telemetry is off.")


THIRD_PARTY = {
    "sst.commands": {"wild": "wild:command"},
    "sst.plugins": {"wild": "wild"},
    "sst.telemetry": {"wild-collector": "wild:collector"},
}

FREE = {
    "help": (("--help",), {}, 0),
    "short help": (("-h",), {}, 0),
    "version": (("--version",), {}, 0),
    "nothing": ((), {}, 2),
    "typo": (("bulid",), {}, 2),
    "unknown option": (("--nope",), {}, 2),
    "unknown command": (("qqqqqq",), {}, 2),
    "completion": ((), {"_SST_COMPLETE": "complete_bash", "COMP_WORDS": "sst ", "COMP_CWORD": "1"}, 0),
    "completion of a prefix": ((), {"_SST_COMPLETE": "complete_bash", "COMP_WORDS": "sst wi", "COMP_CWORD": "1"}, 0),
}


@pytest.mark.parametrize(("arguments", "environ", "code"), FREE.values(), ids=FREE)
def test_listing_names_imports_no_plugin(
    consenting: Machine, arguments: tuple[str, ...], environ: dict[str, str], code: int
) -> None:
    consenting.install("wild", "raise RuntimeError('imported')", THIRD_PARTY)
    probe = Probe.on(consenting)
    before = tree(consenting.home)

    run = consenting.sst(*arguments, env=environ)

    assert run.returncode == code
    assert "imported" not in run.stderr
    probed = probe.read()
    assert probed.imported("wild", "sst_tasks", "sst_null", *COLLECTING, *HEAVY) == set()
    assert "sst_core.provider_commands" not in probed.modules
    assert probed.events == ()
    assert tree(consenting.home) == before


def test_completion_and_suggestions_know_every_command(consenting: Machine) -> None:
    consenting.install("wild", "", THIRD_PARTY)

    completed = consenting.sst(env={"_SST_COMPLETE": "complete_bash", "COMP_WORDS": "sst ", "COMP_CWORD": "1"})
    prefix = consenting.sst(env={"_SST_COMPLETE": "complete_bash", "COMP_WORDS": "sst wi", "COMP_CWORD": "1"})
    typo = consenting.sst("bulid")

    assert set(completed.stdout.split()) == {*SST.command_help, "wild"}
    assert prefix.stdout.split() == ["wild"]
    assert "Did you mean 'build'?" in typo.stderr
