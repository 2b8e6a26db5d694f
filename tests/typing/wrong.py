"""What a checker has to find wrong. Each line says what mypy and what pyright call it."""

from pathlib import Path

import sst_core
from sst_core import Command, Context, Detected, Options, Outcome, Project, ProviderResult, Result, hookimpl

print(sst_core.Nothing)  # E: attr-defined reportAttributeAccessIssue


@hookimpl
def on_command_invoked(context: Context, command: Command) -> None:
    print(context.argv)  # E: attr-defined reportAttributeAccessIssue
    print(command.arguments)  # E: attr-defined reportAttributeAccessIssue
    command.path = ("other",)  # E: misc reportAttributeAccessIssue
    command.path.append("more")  # E: attr-defined reportAttributeAccessIssue


@hookimpl
def on_command_finished(outcome: Outcome) -> None:
    print(outcome.error)  # E: attr-defined reportAttributeAccessIssue
    outcome.exit_code = 0  # E: misc reportAttributeAccessIssue
    if outcome.result == "ok":  # E: comparison-overlap reportUnnecessaryComparison
        return
    print(Result.FINE)  # E: attr-defined reportAttributeAccessIssue


@hookimpl
def detect_provider(root: Path) -> Detected | None:
    if root.name:
        return Detected("make")  # E: call-arg reportCallIssue
    return "make"  # E: return-value reportReturnType


@hookimpl
def build(project: Project, options: Options) -> ProviderResult | None:
    options.arguments[0] = "other"  # E: index reportIndexIssue
    print(project.folder)  # E: attr-defined reportAttributeAccessIssue
    if project.provider:
        return 0  # E: return-value reportReturnType
    return ProviderResult("0")  # E: arg-type reportArgumentType


build(Path(), Options())  # E: arg-type reportArgumentType


@hookimpl(first=True)  # E: call-overload reportCallIssue
def start() -> None: ...


Command(("a",), "plugin")  # E: arg-type reportArgumentType
Options(args=())  # E: call-arg reportCallIssue
