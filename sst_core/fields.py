"""The catalogue's entries. To record one thing more, add one :class:`Field` here; everything else follows from it."""

import os
import sys

from sst_core.catalogue import (
    PLUGIN_COMMAND,
    Bucket,
    Catalogue,
    Choice,
    Field,
    Flag,
    Moment,
    RandomId,
    Section,
    Version,
)
from sst_core.environment import CI_NAMES, OTHER
from sst_core.records import Record


class Wording(Record, kw_only=True):
    """What differs between programs: the sentences of its public page that allow what is below, word for word."""

    command: str
    version: str
    machine: str = (
        "General machine information (e.g. number of CPUs, macOS/Windows/Linux, "
        "whether or not the command was run within CI)"
    )
    version_key: str
    """What the program's version is called on the wire."""


# docs/telemetry-page.md
SST_WORDING = Wording(
    command="Command invoked (ie. `sst build`, `sst start`, or `sst deploy`)",
    version="Version of SST",
    version_key="sstVersion",
)


def wording_for(program: str) -> Wording:
    """The same sentences for another program, which promises them on a page of its own."""
    return Wording(
        command=f"Command of {program} invoked, by its name alone",
        version=f"Version of {program}",
        version_key="version",
    )


REVIEWER = "the maintainers"
REVIEWED = "2026-11-23"
EXPIRES = "2027-11-23"


# Few and coarse on purpose: with every release of twenty distributions, 5 % of 10,000 simulated machines were alone in
# their combination of values, with these 2 % (benchmarks/anonymity.py). A rarer one would be withheld when published.
DISTROS = Choice(
    ("amzn-2023", "debian-12", "debian-13", "fedora", "ubuntu-22", "ubuntu-24", "ubuntu-26", OTHER), otherwise=OTHER
)
CPUS = Bucket((1, 2, 4, 8, 16, 32))
PLATFORMS = Choice(("linux", "darwin", "win32", OTHER), otherwise=OTHER)
ARCHITECTURES = Choice(("x64", "arm64", OTHER), otherwise=OTHER)

# As the systems call them, and as Node does, whose names the original client sent.
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}


def _architecture() -> str | None:
    import platform  # the sender alone comes here

    machine = platform.machine().lower()
    return ARCHITECTURES.nearest(_MACHINES.get(machine, machine))


def _distro() -> str | None:
    if sys.platform != "linux":
        return None
    import distro  # and here

    # os-release alone: the library would otherwise run lsb_release and uname.
    system = distro.LinuxDistribution(include_lsb=False, include_uname=False)
    return DISTROS.nearest(f"{system.id()}-{system.major_version()}", system.id())


def standard_catalogue(commands: tuple[str, ...], wording: Wording = SST_WORDING) -> Catalogue:
    """What a product with these first-party commands records."""
    listed = Choice(tuple(dict.fromkeys((*commands, PLUGIN_COMMAND))), otherwise=PLUGIN_COMMAND)
    return Catalogue(
        (
            Field(
                key="anonymousId",
                label="a weekly random id",
                measure=None,
                section=Section.CONTEXT,
                moment=Moment.SENDING,
                kind=RandomId(),
                purpose="Counts machines, so that numbers of small groups can be withheld.",
                sentence=None,
                exception="Changes every week; nobody but the machine itself can link two weeks, as `forget` does. "
                "Random per run in CI.",
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key="sessionId",
                label="a random run id",
                measure=lambda _: os.urandom(RandomId.BYTES).hex(),
                section=Section.CONTEXT,
                moment=Moment.RUN,
                kind=RandomId(),
                purpose="Counts a run once, however often its delivery is tried.",
                sentence=None,
                exception="Random for every run; links nothing to anything.",
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key=wording.version_key,
                label="version",
                measure=lambda run: run.version,
                section=Section.ENVIRONMENT,
                moment=Moment.RUN,
                kind=Version(parts=3),
                dimension="version",
                purpose="Shows which versions are in use and can be retired.",
                sentence=wording.version,
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key="systemPlatform",
                label="system",
                measure=lambda _: PLATFORMS.nearest(sys.platform),
                section=Section.ENVIRONMENT,
                moment=Moment.SENDING,
                kind=PLATFORMS,
                dimension="platform",
                purpose="Shows which systems have to work.",
                sentence=wording.machine,
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key="systemArchitecture",
                label="architecture",
                measure=lambda _: _architecture(),
                section=Section.ENVIRONMENT,
                moment=Moment.SENDING,
                kind=ARCHITECTURES,
                dimension="architecture",
                purpose="Shows which processors have to work.",
                sentence=wording.machine,
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key="distro",
                label="distribution",
                measure=lambda _: _distro(),
                section=Section.ENVIRONMENT,
                moment=Moment.SENDING,
                kind=DISTROS,
                optional=True,
                dimension="distro",
                purpose="Shows which Linux distributions have to work.",
                sentence=wording.machine,
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key="cpuCount",
                label="CPUs",
                measure=lambda _: CPUS.of(os.cpu_count() or 1),
                section=Section.ENVIRONMENT,
                moment=Moment.SENDING,
                kind=CPUS,
                dimension="cpus",
                purpose="Shows how much work may run in parallel.",
                sentence=wording.machine,
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key="isCI",
                label="in CI or not",
                measure=lambda run: run.ci is not None,
                section=Section.ENVIRONMENT,
                moment=Moment.RUN,
                kind=Flag(),
                dimension="ci",
                purpose="Keeps automated runs apart from people's.",
                sentence=wording.machine,
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key="ciName",
                label="which CI",
                measure=lambda run: run.ci,
                section=Section.ENVIRONMENT,
                moment=Moment.RUN,
                kind=Choice(CI_NAMES),
                optional=True,
                purpose="Shows which CI services have to work.",
                sentence=wording.machine,
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key="pythonVersion",
                label="Python version",
                measure=lambda _: f"{sys.version_info.major}.{sys.version_info.minor}",
                section=Section.ENVIRONMENT,
                moment=Moment.RUN,
                kind=Version(parts=2),
                optional=True,  # the original client ran on Node
                dimension="python",
                purpose="Shows which Python versions can be retired.",
                sentence=wording.machine,
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key="command",
                label="command",
                measure=lambda run: listed.nearest(run.command),
                section=Section.PROPERTIES,
                moment=Moment.RUN,
                kind=listed,
                dimension="command",
                purpose="Shows which commands people use.",
                sentence=wording.command,
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
        )
    )
