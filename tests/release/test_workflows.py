"""The workflows run what we run here, take nothing that can be moved, and one job may publish. The rest: zizmor."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = {file.name: file.read_text() for file in FOLDER.iterdir()}
EVERYTHING = "\n".join(WORKFLOWS.values())
AS_ROOT = 'sudo -EH env "PATH=$PATH" '
SESSIONS = set(re.findall(r"^@nox\.session.*\ndef (\w+)\(", (ROOT / "noxfile.py").read_text(), re.MULTILINE))


def sessions_in(text: str) -> set[str]:
    """Those that it says to run."""
    return {name for line in re.findall(r"nox -s ([a-z_ ]+)", text) for name in line.split()}


def test_both_run_what_has_to_pass() -> None:
    assert sorted(WORKFLOWS) == ["checks.yml", "release.yml"]
    assert all(f"- run: {AS_ROOT}.ci/run\n" in text for text in WORKFLOWS.values())


def test_the_tests_are_run_as_root() -> None:
    """What only root can show, such as that a stranger's file runs nothing, fails in CI for everybody else."""
    run = [line for line in re.findall(r"run: (.*)", EVERYTHING) if re.search(r"\.ci/run|nox -s", line)]
    without = [line for line in run if not line.startswith(AS_ROOT)]

    assert len(run) > len(without)
    assert sessions_in("\n".join(without)) == {"changes", "vulnerabilities"}
    assert all(re.search(r"nox -s (changes|vulnerabilities)\b", line) for line in without)


@pytest.mark.parametrize("used", sorted(set(re.findall(r"uses: (.*)", EVERYTHING))))
def test_an_action_is_a_commit_with_its_version_beside_it(used: str) -> None:
    assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used)


def test_one_job_may_say_who_it_is_and_it_runs_nothing_of_ours() -> None:
    assert EVERYTHING.count("id-token: write") == EVERYTHING.count(": write") == 1
    before, _, publishing = WORKFLOWS["release.yml"].partition("  publish:\n")
    assert "id-token" not in before
    assert "environment: pypi" in publishing
    assert "sparse-checkout: constraints.txt" in publishing
    assert not re.search(r"nox|\.ci/|release/", publishing)
    assert "secrets." not in EVERYTHING


def test_every_session_that_is_run_is_there() -> None:
    everything = EVERYTHING + (ROOT / ".ci" / "run").read_text()  # the workflows call it
    named = sessions_in(everything)
    matrix = set(re.findall(r"\w+", re.findall(r"session: \[(.*)\]", EVERYTHING)[0]))

    assert {"audit", "vulnerabilities", "release", "changes"} <= named
    assert named | matrix | {"newer_python"} <= SESSIONS


def test_every_session_has_a_line_for_contributors() -> None:
    assert sessions_in((ROOT / "CONTRIBUTING.md").read_text()) == SESSIONS


@pytest.mark.parametrize("folder", ["docs", "benchmarks"])
def test_a_session_that_is_named_is_there(folder: str) -> None:
    named = [sessions_in(file.read_text()) for ending in ("md", "py") for file in (ROOT / folder).rglob(f"*.{ending}")]

    assert {"bench_collector", "bench_warehouses"} <= set().union(*named) <= SESSIONS


def test_what_a_release_needs_is_tried_before_there_is_a_tag() -> None:
    assert "\npython3 -m nox -s release\n" in (ROOT / ".ci" / "run").read_text()
    assert "nox -s vulnerabilities\n" in WORKFLOWS["checks.yml"]  # .ci/run does without what PyPI knows of holes


def test_what_security_says_of_a_release_is_what_is_done() -> None:
    said = " ".join((ROOT / "SECURITY.md").read_text().partition("\n## Releases\n")[2].split())
    sam = re.findall(r"with_sam = .*", (ROOT / "noxfile.py").read_text())

    assert "with `sam` the wheel alone is" in said and len(sam) == 1 and "{wheel}[sam]" in sam[0]
    assert "GitHub keeps for 90 days unless it is told otherwise" in said and "retention-days" not in EVERYTHING
    assert "if your Python has the zlib that the workflow's has" in said


def test_a_licence_is_held_to_whole_names() -> None:
    """`--partial-match` lets "Proprietary, Limited Use" pass for MIT."""
    noxfile = (ROOT / "noxfile.py").read_text()

    assert "--allow-only" in noxfile and "--partial-match" not in noxfile


def test_every_python_that_we_say_we_support_is_tried() -> None:
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    supported = {found[1] for each in classifiers if (found := re.search(r":: (3\.\d+)$", each))}
    tried = set(re.findall(r'"(3\.\d+)"', WORKFLOWS["checks.yml"]))
    sessions = set(re.findall(r'"(3\.\d+)"', re.findall(r"python=\[.*\]", (ROOT / "noxfile.py").read_text())[0]))

    assert tried == supported
    assert sessions | {"3.11"} == supported
    first, *_, last = sorted(supported, key=lambda version: int(version.partition(".")[2]))
    assert f"is tested on {first} to {last}." in (ROOT / "docs" / "index.md").read_text()
