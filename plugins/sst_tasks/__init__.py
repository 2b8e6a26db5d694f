"""The provider that needs nothing: `sst.toml` names the project's own commands.

    [tasks]
    build = ["python", "build.py"]

Each is a list, never a shell string: nothing in it is expanded, and no shell is run. It runs in the project's folder,
and finds the stage that is meant in `SST_STAGE`, the region in `AWS_REGION` and the profile in `AWS_PROFILE`.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from sst_core import (
    ConfigurationError,
    Context,
    Detected,
    Options,
    Project,
    ProviderResult,
    ToolNotFoundError,
    hookimpl,
    printable,
    run_tool,
)

NAME = "tasks"


class Tasks:
    """The plugin."""

    @hookimpl
    def detect_provider(self, settings: Mapping[str, Any]) -> Detected | None:
        """A project with a `[tasks]` table is ours."""
        return Detected(NAME, "it has [tasks]") if NAME in settings else None

    @hookimpl
    def build(self, context: Context, project: Project, options: Options) -> ProviderResult:
        """Run the task `build`."""
        return _run("build", context, project, options)

    @hookimpl
    def start(self, context: Context, project: Project, options: Options) -> ProviderResult:
        """Run the task `start`."""
        return _run("start", context, project, options)

    @hookimpl
    def deploy(self, context: Context, project: Project, options: Options) -> ProviderResult:
        """Run the task `deploy`."""
        return _run("deploy", context, project, options)

    @hookimpl
    def remove(self, context: Context, project: Project, options: Options) -> ProviderResult:
        """Run the task `remove`."""
        return _run("remove", context, project, options)

    @hookimpl
    def diff(self, context: Context, project: Project, options: Options) -> ProviderResult:
        """Run the task `diff`."""
        return _run("diff", context, project, options)


def _run(action: str, context: Context, project: Project, options: Options) -> ProviderResult:
    program, *arguments = _task(action, project)
    if options.outputs_file is not None:
        line = f"{context.product.name} {action} -- --outputs-file FILE"
        raise ConfigurationError(
            f"Only the task itself knows what it gives out. If it has an option for it, write that behind --: `{line}`"
        )
    command = [_program(program), *arguments, *options.arguments]
    environ = {**os.environ, **_variables(context, options)}
    try:
        return ProviderResult(run_tool(command, project.root, environ, to_stderr=options.json))
    except ToolNotFoundError as error:
        where = f"[{NAME}] {action} in {project.settings_file}"
        raise ToolNotFoundError(f"{error} It is what {where} names. Install it, or name another there.") from None


def _variables(context: Context, options: Options) -> dict[str, str]:
    """What was decided for the task, under the names that its tools look for."""
    stage = {} if options.stage is None else {context.product.variable("STAGE"): options.stage}
    return {**stage, **options.aws_variables}


def _task(action: str, project: Project) -> list[str]:
    tasks = project.settings[NAME]
    if not isinstance(tasks, dict):
        raise ConfigurationError(
            f"{project.settings_file}: tasks has to be a table. Write [tasks] on a line of its own."
        )
    line = f'{action} = ["program", "argument"]'
    if action not in tasks:
        others = f", only for {printable(', '.join(tasks))}" if tasks else ""
        raise ConfigurationError(f"{project.settings_file} has no task for {action}{others}. Add under [tasks]: {line}")
    task = tasks[action]
    if not (isinstance(task, list) and task and all(isinstance(word, str) and word for word in task)):
        raise ConfigurationError(f"{project.settings_file}: {action} has to be a list of words, such as: {line}")
    return task


def _program(program: str) -> str:
    # Debian and macOS have a python3 and no python; what sst itself runs on will do.
    return sys.executable if program == "python" and shutil.which(program) is None else program


plugin = Tasks()
