"""What the environment says of a run: whether a switch is on, and in which CI service of a closed list it is."""

from collections.abc import Callable, Iterable, Iterator, Mapping

OTHER = "other"

# What each service sets for every job, from its own documentation.
CI_VARIABLES = {
    "APPVEYOR": "appveyor",
    "BITBUCKET_BUILD_NUMBER": "bitbucket-pipelines",
    "BUILDKITE": "buildkite",
    "CIRCLECI": "circleci",
    "CODEBUILD_BUILD_ID": "codebuild",
    "DRONE": "drone",
    "GITHUB_ACTIONS": "github-actions",
    "GITLAB_CI": "gitlab",
    "JENKINS_URL": "jenkins",
    "TEAMCITY_VERSION": "teamcity",
    "TF_BUILD": "azure-pipelines",
    "TRAVIS": "travis",
    "CI": OTHER,
}

YES = ("1", "true", "yes", "on", "enable", "enabled")
"""What is plainly a yes."""
NEARLY_DISABLED = (
    "TELEMETRY_DISABLE",
    "TELEMETRY_OFF",
    "TELEMETRY_OPTOUT",
    "TELEMETRY_OPT_OUT",
    "DISABLE_TELEMETRY",
    "NO_TELEMETRY",
    "OPT_OUT_TELEMETRY",
)
NEARLY_ENABLED = ("TELEMETRY", "TELEMETRY_ENABLED", "TELEMETRY_ENABLE", "ENABLE_TELEMETRY")
"""What other tools call the variable that switches telemetry off, or on."""

_NEAR = 0.85
"""How alike a name is to the one it may be meant to be: one slip of `telemetry`, and no other word."""

CI_NAMES = tuple(dict.fromkeys(CI_VARIABLES.values()))


def ci_name(environ: Mapping[str, str]) -> str | None:
    """The service, `other` for one that is not listed, None outside CI."""
    return next((name for variable, name in CI_VARIABLES.items() if is_set(environ.get(variable))), None)


def is_set(value: str | None) -> bool:
    """Whether a switch in the environment is on: anything but unset, empty, `0`, `false`, `no` or `off`."""
    return (value or "").strip().lower() not in ("", "0", "false", "no", "off")


def misspelt_disabled(environ: Mapping[str, str], variable: Callable[[str], str]) -> Iterator[str]:
    """The variables that are called as in other tools and say no. They may be meant for the one that is known."""
    for suffix in (*NEARLY_DISABLED, *NEARLY_ENABLED):
        name = variable(suffix)
        value = environ.get(name, "").strip().casefold()
        if value and (is_set(value) if suffix in NEARLY_DISABLED else value not in YES):
            yield name


def slips_of(word: str, names: Iterable[str]) -> list[str]:
    """Those that are `word` but for a slip, the nearest first."""
    from difflib import get_close_matches  # commands have it from Typer, but a sender has not

    return get_close_matches(word, list(names), cutoff=_NEAR)
