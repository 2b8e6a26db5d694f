"""The provider that hands an AWS CDK app to the AWS CDK CLI.

This file is imported by every command, to ask whose project it is; what does the work is imported when it is ours.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sst_core import Context, Detected, Options, Project, ProviderResult, hookimpl, read_own

NAME = "cdk"


class Cdk:
    """The plugin."""

    @hookimpl
    def detect_provider(self, root: Path, settings: Mapping[str, Any]) -> Detected | None:
        """A project with a `[cdk]` table is ours, and one with a `cdk.json`, unless it names another."""
        if settings.get("provider", NAME) != NAME:
            return None
        if NAME in settings:
            return Detected(NAME, "it has [cdk]")
        # Read and not only looked for: it says what is run, and a stranger's must not.
        return None if read_own(root / "cdk.json") is None else Detected(NAME, "it has a cdk.json")

    @hookimpl
    def build(self, context: Context, project: Project, options: Options) -> ProviderResult:
        """Run `cdk synth`."""
        return _run("build", context, project, options)

    @hookimpl
    def start(self, context: Context, project: Project, options: Options) -> ProviderResult:
        """Serve the functions on loopback."""
        return _run("start", context, project, options)

    @hookimpl
    def deploy(self, context: Context, project: Project, options: Options) -> ProviderResult:
        """Run `cdk deploy`."""
        return _run("deploy", context, project, options)

    @hookimpl
    def remove(self, context: Context, project: Project, options: Options) -> ProviderResult:
        """Run `cdk destroy`."""
        return _run("remove", context, project, options)

    @hookimpl
    def diff(self, context: Context, project: Project, options: Options) -> ProviderResult:
        """Run `cdk diff`."""
        return _run("diff", context, project, options)


def _run(action: str, context: Context, project: Project, options: Options) -> ProviderResult:
    from sst_cdk import actions

    do: Callable[[actions.App], ProviderResult] = getattr(actions, action)  # each is called like its hook
    return do(actions.App.of(context, project, options))


plugin = Cdk()
