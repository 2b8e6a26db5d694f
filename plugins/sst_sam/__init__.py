"""The provider that hands an AWS SAM app to the AWS SAM CLI.

This file is imported by every command, to ask whose project it is; what does the work is imported when it is ours.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sst_core import Context, Detected, Options, Project, ProviderResult, hookimpl, read_own

NAME = "sam"
TEMPLATES = ("template.yaml", "template.yml", "template.json")
"""Where the SAM CLI looks for a template, in its order."""


class Sam:
    """The plugin."""

    @hookimpl
    def detect_provider(self, root: Path, settings: Mapping[str, Any]) -> Detected | None:
        """A project with a `[sam]` table is ours, and one with a template of AWS SAM, unless it names another."""
        if settings.get("provider", NAME) != NAME:
            return None
        if NAME in settings:
            return Detected(NAME, "it has [sam]")
        for name in TEMPLATES:
            if b"AWS::Serverless" in (read_own(root / name) or b""):
                return Detected(NAME, f"{name} is a template of AWS SAM")
        return None

    @hookimpl
    def build(self, context: Context, project: Project, options: Options) -> ProviderResult:
        """Run `sam build`."""
        return _run("build", context, project, options)

    @hookimpl
    def start(self, context: Context, project: Project, options: Options) -> ProviderResult:
        """Serve the functions on loopback."""
        return _run("start", context, project, options)

    @hookimpl
    def deploy(self, context: Context, project: Project, options: Options) -> ProviderResult:
        """Run `sam build` and `sam deploy`."""
        return _run("deploy", context, project, options)

    @hookimpl
    def remove(self, context: Context, project: Project, options: Options) -> ProviderResult:
        """Run `sam delete`."""
        return _run("remove", context, project, options)

    @hookimpl
    def diff(self, context: Context, project: Project, options: Options) -> ProviderResult:
        """Show the change set that a deployment would execute, and take it away again."""
        return _run("diff", context, project, options)


def _run(action: str, context: Context, project: Project, options: Options) -> ProviderResult:
    from sst_sam import actions

    do: Callable[[actions.App], ProviderResult] = getattr(actions, action)  # each is called like its hook
    return do(actions.App.of(context, project, options))


plugin = Sam()
