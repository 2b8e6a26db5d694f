"""The catalogue's entries. To record one thing more, add one :class:`Field` here; everything else follows from it."""

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
from sst_core.ci import NAMES as CI_NAMES
from sst_core.ci import OTHER

# The sentences of the public telemetry page (docs/telemetry-page.md) that allow what is below, word for word.
COMMAND_SENTENCE = "Command invoked (ie. `sst build`, `sst start`, or `sst deploy`)"
VERSION_SENTENCE = "Version of SST"
MACHINE_SENTENCE = (
    "General machine information (e.g. number of CPUs, macOS/Windows/Linux, "
    "whether or not the command was run within CI)"
)

REVIEWER = "the maintainers"
REVIEWED = "2026-11-23"
EXPIRES = "2027-11-23"


# Few and coarse on purpose: with every release of twenty distributions, 5 % of 10,000 simulated machines were alone in
# their combination of values, with these 2 % (benchmarks/anonymity.py). A rarer one would be withheld when published.
DISTROS = ("amzn-2023", "debian-12", "debian-13", "fedora", "ubuntu-22", "ubuntu-24", "ubuntu-26", OTHER)
CPU_BOUNDS = (1, 2, 4, 8, 16, 32)


def standard_catalogue(commands: tuple[str, ...]) -> Catalogue:
    """What a product with these first-party commands records."""
    return Catalogue(
        (
            Field(
                key="anonymousId",
                section=Section.CONTEXT,
                moment=Moment.SENDING,
                kind=RandomId(),
                purpose="Counts machines, so that numbers of small groups can be withheld.",
                sentence=None,
                exception="Changes every week; nobody but the machine itself can link two weeks. Random per run in CI.",
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key="sessionId",
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
                key="sstVersion",
                section=Section.ENVIRONMENT,
                moment=Moment.RUN,
                kind=Version(parts=3),
                dimension="version",
                purpose="Shows which versions are in use and can be retired.",
                sentence=VERSION_SENTENCE,
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key="systemPlatform",
                section=Section.ENVIRONMENT,
                moment=Moment.SENDING,
                kind=Choice(("linux", "darwin", "win32", OTHER)),
                dimension="platform",
                purpose="Shows which systems have to work.",
                sentence=MACHINE_SENTENCE,
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key="systemArchitecture",
                section=Section.ENVIRONMENT,
                moment=Moment.SENDING,
                kind=Choice(("x64", "arm64", OTHER)),
                dimension="architecture",
                purpose="Shows which processors have to work.",
                sentence=MACHINE_SENTENCE,
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key="distro",
                section=Section.ENVIRONMENT,
                moment=Moment.SENDING,
                kind=Choice(DISTROS),
                optional=True,
                dimension="distro",
                purpose="Shows which Linux distributions have to work.",
                sentence=MACHINE_SENTENCE,
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key="cpuCount",
                section=Section.ENVIRONMENT,
                moment=Moment.SENDING,
                kind=Bucket(CPU_BOUNDS),
                dimension="cpus",
                purpose="Shows how much work may run in parallel.",
                sentence=MACHINE_SENTENCE,
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key="isCI",
                section=Section.ENVIRONMENT,
                moment=Moment.RUN,
                kind=Flag(),
                dimension="ci",
                purpose="Keeps automated runs apart from people's.",
                sentence=MACHINE_SENTENCE,
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key="ciName",
                section=Section.ENVIRONMENT,
                moment=Moment.RUN,
                kind=Choice(CI_NAMES),
                optional=True,
                purpose="Shows which CI services have to work.",
                sentence=MACHINE_SENTENCE,
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key="pythonVersion",
                section=Section.ENVIRONMENT,
                moment=Moment.RUN,
                kind=Version(parts=2),
                dimension="python",
                purpose="Shows which Python versions can be retired.",
                sentence=MACHINE_SENTENCE,
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
            Field(
                key="command",
                section=Section.PROPERTIES,
                moment=Moment.RUN,
                kind=Choice((*commands, PLUGIN_COMMAND)),
                dimension="command",
                purpose="Shows which commands people use.",
                sentence=COMMAND_SENTENCE,
                reviewer=REVIEWER,
                reviewed=REVIEWED,
                expires=EXPIRES,
            ),
        )
    )
