"""What a developer and CI run. `-s demo` and `-s tests` need nothing but Python 3.11 or newer and nox."""

import os
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests", "lint", "types", "contracts"]
nox.options.error_on_missing_interpreters = True

AS_PIP = {"UV_COMPILE_BYTECODE": "1", "UV_SYSTEM_CERTS": "1"}  # what uv does otherwise
CONSTRAINTS = ("--constraint", "constraints.txt")
HEADER = "# The versions that were tested. `python3 -m nox -s lock` makes this file anew.\n"
GROUPS = nox.project.load_toml("pyproject.toml")
EXTRAS = "[collector,cdk,testing]"  # `sam` apart: the SAM CLI would hold the others back
# What may be in an environment with `sst`, each by its whole name: a part of one is in others ("MIT" in "Limited").
LICENCES = (
    *("Apache-2.0", "Apache Software License", "BSD-2-Clause", "BSD-3-Clause", "BSD License", "ISC License (ISCL)"),
    *("MIT", "MIT License", "MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)", "PSF-2.0"),
    *("Apache-2.0 OR BSD-2-Clause", "MIT OR AFL-2.1"),
)


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


def with_aws(session: nox.Session) -> dict[str, str]:
    """Make the environment with the SAM CLI and an AWS on loopback, and say to the tests where it is."""
    return {"SST_TEST_AWS": str(beside(session, "aws-tools", "--requirement", "constraints-aws.txt"))}


def with_cdk(session: nox.Session) -> dict[str, str]:
    """Make what the provider for AWS CDK is tested with, and say to the tests where it is.

    Its CLI comes by npm into a folder of the session's, with Node from the machine. An app in Python runs it, in an
    environment of its own.
    """
    # In a folder of its own: the tests' projects are made below the session's, and a provider looks upward.
    tools = Path(session.create_tmp()).resolve() / "aws-cdk"
    tools.mkdir(exist_ok=True)
    (tools / "package.json").write_text(Path("tests/sst_cdk/package.json").read_text())
    session.run_install("npm", "install", "--prefix", str(tools), "--no-audit", "--no-fund", external=True)
    app = beside(
        session, "cdk-app", "--constraint", "constraints.txt", *nox.project.dependency_groups(GROUPS, "cdk-app")
    )
    return {**with_aws(session), "SST_TEST_CDK": str(tools), "SST_TEST_CDK_APP": str(app / "bin" / "python")}


def install_warehouses(session: nox.Session) -> None:
    """Install today's ClickHouse, which runs in the tests' own process; the servers are Debian's."""
    # It asks for pandas and pyarrow, 80 MB, and works without them.
    session.install("--no-deps", *CONSTRAINTS, *nox.project.dependency_groups(GROUPS, "warehouses"), silent=False)


def how_many(session: nox.Session, otherwise: str) -> str:
    """What stands behind `--`."""
    return session.posargs[0] if session.posargs else otherwise


def beside(session: nox.Session, name: str, *requirements: str) -> Path:
    """An environment of its own for tools that pin a good part of what they need; made anew when that changes."""
    folder = Path(session.virtualenv.location).resolve().parent / name
    files = [Path(word) for word in requirements if word.endswith(".txt")]
    wanted = "\n".join([*requirements, *(file.read_text() for file in files)])
    note = folder / "installed"
    if not note.exists() or note.read_text() != wanted:
        session.install("uv")
        python = folder / "bin" / "python"
        session.run_install(
            "uv", "venv", "--quiet", "--clear", str(folder), "--python", str(Path(session.bin) / "python")
        )
        install = ("uv", "pip", "install", "--quiet", "--python", str(python), *requirements)
        if session.run_install(*install, env=AS_PIP):
            note.write_text(wanted)
    return folder


@nox.session
def demo(session: nox.Session) -> None:
    """From one command to a published number. `-- --serve` leaves the collector up."""
    install(session, project=".[collector]")
    session.run("python", "examples/demo.py", *session.posargs)


@nox.session
def page(session: nox.Session) -> None:
    """Look at the page: a collector that is full of an invented community's runs. Ctrl-C ends it."""
    install(session, "test", project=".[collector]")
    data = Path(session.create_tmp()) / "community"
    if not data.exists():
        session.run("python", "tests/community.py", str(data))
    session.run("sst", "collector", "serve", "--data", str(data), *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Test the project as it is installed, not as it lies here."""
    install(session, "test", "adopted", project=".[collector,cdk]")
    run_tests(session)


@nox.session
def warehouses(session: nox.Session) -> None:
    """Test what several collectors share, with real servers: Debian's `clickhouse-server`, `zookeeper`."""
    install(session, "test", project=".[collector]")
    install_warehouses(session)
    # Once, one of these servers of 2018 stopped executing ON CLUSTER statements for good. A test that times out because
    # of it is reported (R) and rerun on fresh servers (`Servers.new_database`).
    again = ("--reruns", "1", "--only-rerun", "Timeout", "-rfEsR")
    session.run("pytest", "tests/sst_collector", "--numprocesses", "2", "-m", "warehouses", *again, *session.posargs)


@nox.session
def aws(session: nox.Session) -> None:
    """Test the providers for AWS with the SAM CLI, the CDK CLI, and an AWS on loopback."""
    install(session, "test", project=".[collector,cdk]")
    tests = ("tests/sst_sam", "tests/sst_cdk", "tests/examples/test_shop.py")
    session.run("pytest", *tests, "--numprocesses", "2", *session.posargs, env=with_cdk(session))


@nox.session
def container(session: nox.Session) -> None:
    """Build and run the container of `docs/collector.md`, with Docker, or as root with Podman and `mmdebstrap`."""
    install(session, "test", project=".[collector]")
    here = {"SST_TEST_CONTAINERS": str(Path(session.create_tmp()).resolve())}
    session.run("pytest", "tests/containers", *session.posargs, env=here)


@nox.session
def canary(session: nox.Session) -> None:
    """Plant secrets everywhere and search every byte for them: the campaign, of which the tests fly a few rounds."""
    install(session, "test", project=".[collector]")
    rounds = how_many(session, "600")
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
def attack(session: nox.Session) -> None:
    """Try to compute what the collector withheld, from all it publishes: of which the tests try some."""
    install(session, "test", project=".[collector]")
    datasets = how_many(session, "5000")
    session.run(
        "pytest",
        "tests/sst_collector/publishing/test_attack.py",
        "-rP",
        "--numprocesses",
        "2",
        "--timeout",
        "3600",
        env={"SST_ATTACK_DATASETS": datasets},
    )


@nox.session
def kills(session: nox.Session) -> None:
    """Kill command, sender and collector, switch off, and load: the campaign, of which the tests do a little."""
    install(session, "test", project=".[collector]")
    kills = how_many(session, "1000")
    session.run(
        "pytest",
        "tests/e2e/test_kills.py",
        "tests/e2e/test_disable.py",
        "tests/e2e/test_load.py",
        "--numprocesses",
        "2",
        env={
            "SST_KILLS": kills,
            "SST_DISABLES": str(int(kills) // 5),
            "SST_COMMANDS": "200",
            "SST_FOREIGN_FILES": "1000000",
        },
    )


@nox.session
def faults(session: nox.Session) -> None:
    """Every fault with every kind of run, each command under strace: of which the tests leave out what is the same."""
    install(session, "test", project=".[collector]")
    every = {"SST_EVERY_FAULT": "1"}
    session.run("pytest", "tests/e2e/test_fault_matrix.py", "--numprocesses", "2", env=every)


@nox.session
def mutation(session: nox.Session) -> None:
    """Break what the promise rests on, one place at a time, and print how often its own tests notice."""
    install(session, "mutation")
    folder = str(Path(session.create_tmp()).resolve())
    certificates = {"UV_SYSTEM_CERTS": "1"}  # as pip does
    session.run("python", "tests/mutating/campaign.py", "--folder", folder, *session.posargs, env=certificates)


@nox.session
def coverage(session: nox.Session) -> None:
    """Print which lines and branches no test runs, in the processes that tests start as well; fail where there is one.

    What a process imports and asks of the system is more then, so the tests that watch just that fail: it is theirs.
    """
    install(session, "test", "adopted", "coverage", project=".[collector,cdk]")
    install_warehouses(session)
    with_tools = with_cdk(session)
    measured = Path(session.create_tmp()).resolve() / "coverage"
    of = {"COVERAGE_RCFILE": str(Path("tests/coverage.ini").resolve()), "COVERAGE_FILE": str(measured / "of")}
    session.run("coverage", "erase", env=of)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = session.run("python", "-c", where, silent=True) or ""
    # At every start of Python in this environment: most of what is tested is given other variables than ours.
    begin = {**of, "COVERAGE_PROCESS_START": of["COVERAGE_RCFILE"]}
    everywhere = Path(site.strip()) / "measured.pth"
    everywhere.write_text(f"import os; os.environ.update({begin!r}); import coverage; coverage.process_startup()\n")
    tests = ("pytest", "--numprocesses", "2", "--timeout", "600")
    session.run(*tests, *session.posargs, env=with_tools, success_codes=[0, 1])
    everywhere.unlink()
    session.run("coverage", "combine", "--quiet", str(measured), env=of)
    session.run("coverage", "report", env=of)


@nox.session
def collector_kills(session: nox.Session) -> None:
    """Kill a collector under load at random moments, and count: two campaigns, of which the tests do a few rounds."""
    install(session, "test", project=".[collector]")
    rounds = how_many(session, "500")
    session.run("pytest", "tests/sst_collector/test_kills.py", "-s", env={"SST_KILL_ROUNDS": rounds})


@nox.session
def collector_fuzz(session: nox.Session) -> None:
    """Send a collector a hundred thousand generated requests; the tests send some hundreds."""
    install(session, "test", project=".[collector]")
    requests = how_many(session, "100000")
    session.run("pytest", "tests/sst_collector/receiving/test_fuzz.py", "-s", env={"SST_FUZZ_REQUESTS": requests})


@nox.session
def collector_limits(session: nox.Session) -> None:
    """Test a collector's bounds with ten thousand idle connections; the tests have one thousand."""
    install(session, "test", project=".[collector]")
    session.run("pytest", "tests/sst_collector/receiving/test_limits.py", "-s", env={"SST_IDLE_CONNECTIONS": "10000"})


@nox.session
def legacy_client(session: nox.Session) -> None:
    """Run the original client's telemetry, as npm has it, against a collector."""
    install(session, "test", project=".[collector]")
    folder = Path(session.create_tmp()).resolve()
    client = folder / "node_modules" / "@serverless-stack" / "core"
    if not client.exists():
        needs = ("async-retry@1.3.3", "chalk@4.1.2", "ci-info@3.9.0", "conf@10.2.0", "fs-extra@9.1.0")
        with session.chdir(folder):
            session.run("npm", "init", "--yes", external=True, silent=True)
            session.run("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *needs, external=True)
            session.run("npm", "pack", "@serverless-stack/core@1.18.4", external=True, silent=True)
            client.mkdir(parents=True)
            archive = "serverless-stack-core-1.18.4.tgz"
            session.run("tar", "-xf", archive, "-C", str(client), "--strip-components=1", external=True)
    session.run(
        "pytest", "tests/sst_collector/receiving/test_original_client.py", env={"SST_ORIGINAL_CLIENT": str(folder)}
    )


@nox.session
def newest_typer(session: nox.Session) -> None:
    """Run the tests with the newest Typer, beyond our cap: the day they pass at its old speed, the cap can go.

    What fails is reported, and fails nothing.
    """
    install(session, "test", "adopted", project=".[collector,cdk]")
    session.install("--upgrade", "typer", silent=False)
    report(session, "the newest Typer")


@nox.session
def lint(session: nox.Session) -> None:
    """Style and likely mistakes."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Strict types, the tests' too; then what plugins' authors write, against the package as it is installed."""
    install(session, "types", "test", "bench", project=".[collector]")
    session.run("mypy")
    # What every command runs has to fit the systems that nothing is tested on, too. The collector is for POSIX.
    own = ("sst_core", "plugins/sst_telemetry", "plugins/sst_null", "plugins/sst_tasks", "examples/otlp")
    for platform in ("win32", "darwin"):
        session.run("mypy", "--platform", platform, *own)
    session.run("python", "tests/typing/check.py")


@nox.session
def contracts(session: nox.Session) -> None:
    """Who may import whom."""
    install(session, "contracts", project=".[collector]")
    session.run("lint-imports")


@nox.session
def docs(session: nox.Session) -> None:
    """Write the generated blocks of the docs anew, and build the site into `docs/_site`. A link to nowhere fails.

    So does a page that asks another host for anything, in Chromium.
    """
    install(session, "docs", "test", project=".[collector]")
    session.run("python", "documenting/generate.py")
    session.run("sphinx-build", "--fail-on-warning", "--keep-going", "--fresh-env", "--quiet", "docs", "docs/_site")
    session.run("python", "documenting/asking.py", "docs/_site")


@nox.session
def screens(session: nox.Session) -> None:
    """Make the pictures of README and docs anew, from a terminal and from a collector's page."""
    install(session, "test", project=".[collector]")
    session.run("python", "documenting/screens.py")


@nox.session
def audit(session: nox.Session) -> None:
    """Fail when the review of a recorded field has expired; print what is due in a month. CI and a release run it."""
    install(session, project=".")
    session.run("python", "-m", "sst_core.audit", "sst_core.sst:SST")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure what telemetry costs and loses, beside its peers'. `-- --quick` without them; `-- --write PAGE …`."""
    install(session, project=".")
    peers = Path(session.virtualenv.location).resolve() / "peers"  # installed once, and kept
    session.run("python", "benchmarks/commands.py", "--peers", str(peers), *session.posargs)


@nox.session
def bench_collector(session: nox.Session) -> None:
    """Measure what a collector takes in, beside an echo and other stores. `-- --quick`; `-- --write PAGE`."""
    install(session, "bench", project=".[collector]")
    session.run("python", "benchmarks/collector.py", *session.posargs)


@nox.session
def bench_warehouses(session: nox.Session) -> None:
    """Measure several collectors on one ClickHouse, and DuckDB beside it. `-- --events 50000` for a small form."""
    install(session, "test", project=".[collector]")
    for script in ("several", "warehouses"):
        session.run("python", f"benchmarks/{script}.py", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session
def delegating(session: nox.Session) -> None:
    """Measure what `sst build` adds over calling the tool directly, on a quiet machine. `-- --pairs 40` for more."""
    install(session, project=".[cdk]")
    session.run("python", "benchmarks/delegating.py", *session.posargs, env=with_aws(session))


@nox.session
def lock(session: nox.Session) -> None:
    """Write constraints.txt anew: the newest versions that our requirements allow, for every system.

    The extra `sam` and the group `aws` are in constraints-aws.txt: the SAM CLI would hold the others back.
    """
    session.install("uv", silent=False)
    extras = [f"--extra={extra}" for extra in ("collector", "testing", "cdk")]
    tests = ("test", "adopted", "mutation", "coverage", "bench", "warehouses", "cdk-app")
    names = (*tests, "lint", "types", "contracts", "docs", "release")
    groups = [f"--group={group}" for group in names]
    compile_constraints(session, "constraints.txt", "pyproject.toml", *extras, *groups)
    compile_constraints(session, "constraints-aws.txt", "--group=pyproject.toml:aws")


def compile_constraints(session: nox.Session, file: str, *sources: str) -> None:
    """Resolve `sources` into `file`."""
    session.run(
        "uv",
        "pip",
        "compile",
        "--universal",
        "--python-version",
        "3.11",
        "--upgrade",
        "--no-header",
        "--no-annotate",
        "--no-emit-index-url",
        *sources,
        "--output-file",
        file,
        silent=True,
    )
    constraints = Path(file)
    constraints.write_text(HEADER + constraints.read_text())


@nox.session(python=["3.12", "3.13", "3.14"])
def newer_python(session: nox.Session) -> None:
    """Run the tests on each newer Python that we support; `tests` runs on the one that nox runs on."""
    install(session, "test", "adopted", project=".[collector,cdk]")
    run_tests(session)


@nox.session
def oldest(session: nox.Session) -> None:
    """Run the tests with the oldest versions of what we need that our requirements allow."""
    session.install("uv", *CONSTRAINTS, silent=False)
    lowest = str(Path(session.create_tmp()).resolve() / "lowest.txt")
    extras = ("--extra", "collector", "--extra", "cdk")
    requirements = ("pyproject.toml", *extras, "--resolution", "lowest-direct", "--no-header")
    session.run("uv", "pip", "compile", "--quiet", *requirements, "--output-file", lowest)
    packages = nox.project.dependency_groups(GROUPS, "test")
    session.install(*packages, ".[collector,cdk]", "--constraint", lowest, silent=False)
    # Not other people's programs: what they need is newer.
    run_tests(session, "--ignore", "tests/adopted")


@nox.session
def newest(session: nox.Session) -> None:
    """Run the tests with the newest versions that our requirements allow. What fails is reported, and fails nothing."""
    install(session, "test", "adopted", project=".[collector,cdk]", constrained=False)
    report(session, "the newest versions")


def report(session: nox.Session, versions: str) -> None:
    """Run the tests on what is newer than us; that they fail is told in the last line, and on GitHub's summary."""
    try:
        run_tests(session)
    except CommandFailed:
        told = f"Tests fail with {versions}. That is reported, and fails nothing."
        session.warn(told)
        if "GITHUB_ACTIONS" in os.environ:
            print(f"::warning::{told}", flush=True)


def run_tests(session: nox.Session, *options: str) -> None:
    """Run the tests, but for those that need a real warehouse, or tools for AWS: these are skipped."""
    # More of them than two processors: half of what a test does is to wait for a process or a socket.
    workers = ("--numprocesses", "4", "--dist", "worksteal")
    session.run("pytest", *workers, "-m", "not warehouses", *options, *session.posargs)


@nox.session
def release(session: nox.Session) -> None:
    """Build wheel and sdist into `dist` and try them as installed, with the licences and the bill of what they need."""
    session.env.update(AS_PIP)
    install(session, "release")
    session.run("python", "release/building.py", "dist")
    (wheel,), (sdist,) = Path("dist").glob("*.whl"), Path("dist").glob("*.tar.gz")
    for built in (sdist, wheel):  # the wheel last: what is described below is its environment
        python = empty_environment(session, "empty", str(built))
        session.run(python, "-P", "release/trying.py", external=True)
        install_into(session, python, f"{built}{EXTRAS}")
        session.run(python, "-P", "release/trying.py", "--with-extras", external=True)
        session.run(python, "examples/demo.py", external=True)
    session.run("python", "release/following.py", str(sdist))
    with_sam = empty_environment(session, "sam", f"{wheel}[sam]", constraints="constraints-aws.txt")
    session.run(with_sam, "-P", "release/trying.py", "--with-sam", external=True)
    # What the SAM CLI brings is told, and not held to our list: it is a program of its own, and none of it is imported.
    describe(session, python, "", "--allow-only", ";".join(LICENCES))
    describe(session, with_sam, "-sam")
    session.run("python", "release/building.py", "--sums", "dist")


def describe(session: nox.Session, python: str, suffix: str, *held: str) -> None:
    """Write into `dist` the licences and the bill of what is installed beside `python`."""
    session.run("pip-licenses", "--python", python, "--from", "mixed", "--format", "markdown", "--with-urls",
                "--output-file", f"dist/LICENCES{suffix}.md", *held)  # fmt: skip
    session.run("cyclonedx-py", "environment", "--pyproject", "pyproject.toml", "--output-reproducible",
                "--output-file", f"dist/sbom{suffix}.cdx.json", python)  # fmt: skip


@nox.session
def vulnerabilities(session: nox.Session) -> None:
    """Fail when what we need, in the versions that were tested, has a known hole, or when nobody can be asked."""
    session.env.update(AS_PIP)
    install(session, "release")
    for name, extras, constraints in (("empty", EXTRAS, "constraints.txt"), ("sam", "[sam]", "constraints-aws.txt")):
        python = empty_environment(session, name, f".{extras}", constraints=constraints)
        installed = Path(session.create_tmp()) / f"{name}.txt"
        frozen = session.run("uv", "pip", "freeze", "--python", python, "--exclude-editable", silent=True) or ""
        installed.write_text("".join(f"{line}\n" for line in frozen.splitlines() if "==" in line))
        session.run("pip-audit", "--strict", "--disable-pip", "--no-deps", "--requirement", str(installed))


def empty_environment(session: nox.Session, name: str, *packages: str, constraints: str = "constraints.txt") -> str:
    """Make an environment with nothing but these and what they need, and return its Python."""
    folder = Path(session.create_tmp()).resolve() / name
    session.run("uv", "venv", "--quiet", "--clear", "--python", "python", str(folder))
    python = str(folder / "bin" / "python")
    install_into(session, python, *packages, constraints=constraints)
    return python


def install_into(session: nox.Session, python: str, *packages: str, constraints: str = "constraints.txt") -> None:
    """Install these beside `python`, as they were tested; what has to be built is built with what was tested."""
    build = ("--build-constraint", "constraints.txt")
    session.run("uv", "pip", "install", "--quiet", "--python", python, "--constraint", constraints, *build, *packages)


@nox.session
def workflows(session: nox.Session) -> None:
    """Look for what strangers could do through our workflows, with all that zizmor can know without a request."""
    install(session, "lint")
    session.run("zizmor", "--offline", "--pedantic", "--strict-collection", "--no-progress", ".github")


@nox.session
def changes(session: nox.Session) -> None:
    """Print what the next release's notes will be, and hold its version to what changed in the public API."""
    install(session, "lint")
    session.run("towncrier", "build", "--draft", "--version", "next")
    session.run("python", "release/versioning.py", *session.posargs)
