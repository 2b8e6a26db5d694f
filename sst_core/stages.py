"""What an app is called and which stage of it is meant: `--stage`, then the environment, the project, and the person.

A stage is one deployment of the app, with everything in it apart from every other's. Nothing is deployed to a stage
that nobody named: without a terminal to ask at, an unknown stage is an error.
"""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

import typer

from sst_core.errors import ConfigurationError
from sst_core.files import read_own, write_private
from sst_core.invocation import Context
from sst_core.product import Product
from sst_core.project import Options, Project
from sst_core.terminal import can_ask, printable, say

_STAGE = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,62}")
"""What may stand in a stack's name, and in a folder's."""
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
_PROFILE = re.compile(r"[^\s-]\S*")


def stage_of(context: Context, project: Project, options: Options) -> str:
    """The stage, for a provider that can't do without: on a terminal the person is asked, once for the project.

    Raises :class:`ConfigurationError` where nobody says it and nobody can be asked, KeyboardInterrupt for Ctrl-C at
    the question, and `typer.Abort` where what is typed ends there.
    """
    if options.stage is not None:
        return options.stage
    name = context.product.name
    if context.ci is not None or not can_ask():
        raise ConfigurationError(
            f"No stage given. Pass --stage NAME, set {context.product.variable('STAGE')}, "
            f'or put stage = "dev" into {project.settings_file}.'
        )
    say(f"{name}: each stage is a separate deployment of the app. Which one is yours?")
    answer = ""
    while not _STAGE.fullmatch(answer):
        answer = _asked("Stage (a letter, then letters, digits and hyphens)", _suggested())
    write_private(project.kept_stage, f"{answer}\n".encode())
    say(printable(f"{name}: kept in {project.kept_stage}"))
    return answer


def name_of(project: Project) -> str:
    """What the app is called: `name` in `sst.toml`, or its folder. Raises :class:`ConfigurationError`."""
    name = text_setting(project.settings, "name", project) or project.root.name
    if not _STAGE.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} can't be an app's name, which is a letter, then letters, digits and hyphens. "
            f'Say in {project.settings_file}: name = "orders"'
        )
    return name


def given_stage(product: Product, project: Project, flag: str | None) -> str | None:
    """The stage that is named somewhere, without asking. Raises :class:`ConfigurationError` for one that can't be."""
    shape = "a stage looks like dev (a letter, then letters, digits and hyphens)"
    if flag is not None:  # also an empty one: `--stage "$STAGE"` without that variable means no other stage
        return _checked(flag, _STAGE, f"--stage: {shape}")
    variable = product.variable("STAGE")
    places: tuple[tuple[str, Callable[[], str | None]], ...] = (
        (variable, lambda: os.environ.get(variable)),
        (str(project.settings_file), lambda: text_setting(project.settings, "stage", project)),
        (str(project.kept_stage), lambda: (read_own(project.kept_stage) or b"").decode(errors="replace").strip()),
    )
    for where, read in places:
        stage = read()
        if stage:
            return _checked(stage, _STAGE, f"{where}: {shape}")
    return None


def given_region(project: Project, flag: str | None) -> str | None:
    """The AWS region that is named. Raises :class:`ConfigurationError` for what isn't shaped like one."""
    region = text_setting(project.settings, "region", project) if flag is None else flag
    where = str(project.settings_file) if flag is None else "--region"
    return None if region is None else _checked(region, _REGION, f"{where}: a region looks like eu-west-1")


def given_profile(project: Project, flag: str | None) -> str | None:
    """The AWS profile that is named. Raises :class:`ConfigurationError` for what a tool would take for an option."""
    profile = text_setting(project.settings, "profile", project) if flag is None else flag
    where = str(project.settings_file) if flag is None else "--profile"
    return (
        None
        if profile is None
        else _checked(profile, _PROFILE, f"{where}: a profile looks like default (a word that begins with no hyphen)")
    )


def text_setting(settings: Mapping[str, Any], key: str, project: Project) -> str | None:
    """A word from `sst.toml`. Raises :class:`ConfigurationError` for what is none."""
    value = settings.get(key)
    if value is None or (isinstance(value, str) and value):
        return value
    raise ConfigurationError(f'{project.settings_file}: {key} has to be a word in quotes, such as: {key} = "dev"')


def _checked(value: str, shape: re.Pattern[str], otherwise: str) -> str:
    if not shape.fullmatch(value):
        raise ConfigurationError(f"{otherwise}, and {value!r} does not.")
    return value


def _asked(question: str, suggested: str) -> str:
    try:
        return str(typer.prompt(question, suggested, err=True)).strip()
    except typer.Abort as error:
        # To Typer, Ctrl-C at a prompt is a no like any other. Our commands end with 130 wherever it is typed.
        if isinstance(error.__context__, KeyboardInterrupt):
            typer.echo(err=True)  # off the line of the question
            raise KeyboardInterrupt from error
        raise


def _suggested() -> str:
    import getpass

    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # nobody by that number
        return "dev"
    words = re.sub(r"[^A-Za-z0-9]+", "-", user).strip("-")
    return words if _STAGE.fullmatch(words) else "dev"
