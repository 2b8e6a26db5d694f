"""What the environment says of a run: whether a switch is on, and in which CI service of a closed list it is."""

from collections.abc import Mapping

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

CI_NAMES = tuple(dict.fromkeys(CI_VARIABLES.values()))


def ci_name(environ: Mapping[str, str]) -> str | None:
    """The service, `other` for one that is not listed, None outside CI."""
    return next((name for variable, name in CI_VARIABLES.items() if is_set(environ.get(variable))), None)


def is_set(value: str | None) -> bool:
    """Whether a switch in the environment is on: anything but unset, empty, `0`, `false`, `no` or `off`."""
    return (value or "").strip().lower() not in ("", "0", "false", "no", "off")
