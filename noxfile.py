"""What a developer and CI run. `-s demo` and `-s tests` need nothing but Python 3.11 or newer and nox."""

from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests", "lint", "types", "contracts"]
nox.options.error_on_missing_interpreters = True

CONSTRAINTS = ("--constraint", "constraints.txt")
HEADER = "# The versions that were tested. `python3 -m nox -s lock` makes this file anew.\n"
GROUPS = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, *groups: str, project: str | None = None, constrained: bool = True) -> None:
    """Install the versions that were tested, and show how far it has come; `project` is what to install of ours."""
    packages = nox.project.dependency_groups(GROUPS, *groups)
    session.install(
        *(CONSTRAINTS if constrained else ()),
        *packages,
        *([project] if project else []),
        silent=False,
        env={"UV_COMPILE_BYTECODE": "1"},  # as pip does: what is measured and tested is what a user has
    )


@nox.session
def demo(session: nox.Session) -> None:
    """From one command to a published number. `-- --serve` leaves the collector up."""
    install(session, project=".[collector]")
    session.run("python", "examples/demo.py", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session
def tests(session: nox.Session) -> None:
    """Test the project as it is installed, not as it lies here."""
    install(session, "test", project=".[collector]")
    session.run("pytest", "--numprocesses", "2", *session.posargs)


@nox.session
def canary(session: nox.Session) -> None:
    """Plant secrets everywhere and search every byte for them: the campaign, of which the tests fly a few rounds."""
    install(session, "test", project=".[collector]")
    rounds = session.posargs[0] if session.posargs else "600"
    session.run(
        "pytest",
        "tests/e2e/test_canary.py",
        "-k",
        "gets_through",
        "--numprocesses",
        "2",
        env={"SST_CANARY_ROUNDS": rounds},
    )


@nox.session
def newest_typer(session: nox.Session) -> None:
    """Run the tests with the newest Typer, beyond our cap: the day they pass at its old speed, the cap can go."""
    install(session, "test", project=".[collector]")
    session.install("--upgrade", "typer", silent=False)
    session.run("pytest", "--numprocesses", "2", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and likely mistakes."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Strict types, the tests' too."""
    install(session, "types", "test", project=".[collector]")
    session.run("mypy")


@nox.session
def contracts(session: nox.Session) -> None:
    """Who may import whom."""
    install(session, "contracts", project=".[collector]")
    session.run("lint-imports")


@nox.session
def docs(session: nox.Session) -> None:
    """Write the generated blocks of the docs anew."""
    install(session, project=".")
    session.run("python", "docs/generate.py")


@nox.session
def audit(session: nox.Session) -> None:
    """Fail when the review of a recorded field has expired; print what is due in a month. CI and a release run it."""
    install(session, project=".")
    session.run("python", "-m", "sst_core.audit", "sst_core.sst:SST")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure what telemetry costs a command. `-- --quick` for a short run."""
    install(session, project=".[collector]")
    session.run("python", "benchmarks/commands.py", *session.posargs)


@nox.session
def lock(session: nox.Session) -> None:
    """Write constraints.txt anew: the newest versions that our requirements allow, for every system."""
    session.install("uv", silent=False)
    groups = [argument for group in ("test", "lint", "types", "contracts") for argument in ("--group", group)]
    session.run(
        "uv",
        "pip",
        "compile",
        "--universal",
        "--all-extras",
        *groups,
        "--python-version",
        "3.11",
        "--upgrade",
        "--no-header",
        "--no-annotate",
        "--no-emit-index-url",
        "pyproject.toml",
        "--output-file",
        "constraints.txt",
        silent=True,
    )
    constraints = Path("constraints.txt")
    constraints.write_text(HEADER + constraints.read_text())
