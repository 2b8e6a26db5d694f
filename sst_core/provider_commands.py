"""`build`, `start`, `deploy`, `remove`, `diff`: the core owns the commands, a provider owns the how."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from sst_core.configuration import read_toml
from sst_core.entry_points import Entry
from sst_core.errors import ConfigurationError, NoProviderError
from sst_core.invocation import Session
from sst_core.locations import require_folder, settings_files, working_folder
from sst_core.product import Product
from sst_core.project import Detected, Options, Project, ProviderResult
from sst_core.terminal import output, printable

if TYPE_CHECKING:
    from typer._click.core import Context as AnyContext

Arguments = Annotated[
    list[str] | None, typer.Argument(metavar="[-- ARGS...]", help="Handed to the tool as they are.", show_default=False)
]
Stage = Annotated[
    str | None,
    typer.Option(
        "--stage",
        metavar="NAME",
        help="Stage to act on, such as dev.  [env var: {prefix}_STAGE]",
        show_default=False,
    ),
]
Region = Annotated[
    str | None, typer.Option("--region", metavar="NAME", help="AWS region, such as eu-west-1.", show_default=False)
]
Profile = Annotated[str | None, typer.Option("--profile", metavar="NAME", help="AWS profile.", show_default=False)]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show the tool's full output.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON; the tool's output goes to stderr.")]
OutputsFile = Annotated[
    Path | None,
    typer.Option(
        "--outputs-file", metavar="FILE", help="Write the stacks' outputs to FILE, as JSON.", show_default=False
    ),
]
_DOES = {"diff": "show what a deployment would change"}
"""In words, where the command's name is no word for it."""
_SETTINGS = {"stage", "region", "profile"}


class _Delegating(TyperCommand):
    """Takes what follows `--`, and nothing else, for the tool: `remove prod` would remove the default stage."""

    def parse_args(self, ctx: "AnyContext", args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        try:
            rest = super().parse_args(ctx, args[:at])
        except typer.TyperException as mistake:
            if type(mistake).__name__ == "NoSuchOption":  # which Typer doesn't export
                ctx.fail(f"{mistake.format_message().rstrip('.?')}. What is for the tool goes after --.")
            raise
        if ctx.params["arguments"] and not ctx.resilient_parsing:
            ctx.fail(
                f"Unexpected argument {ctx.params['arguments'][0]!r}. A stage is given with --stage NAME, and what is "
                "for the tool goes after --."
            )
        ctx.params["arguments"] = args[at + 1 :]
        return rest


def _command(body: Callable[..., None]) -> typer.Typer:
    app = typer.Typer(rich_markup_mode=None)
    app.command(cls=_Delegating)(body)
    return app


@_command
def build(
    ctx: typer.Context,
    arguments: Arguments = None,
    *,
    stage: Stage = None,
    region: Region = None,
    profile: Profile = None,
    verbose: Verbose = False,
) -> None:
    """Build the app in this folder.

    \b
    Examples:
      {command}
      {command} -- --debug
    """
    _provide("build", ctx, Options(tuple(arguments or ()), stage, region, profile, verbose))


@_command
def start(
    ctx: typer.Context,
    arguments: Arguments = None,
    *,
    stage: Stage = None,
    region: Region = None,
    profile: Profile = None,
    verbose: Verbose = False,
) -> None:
    """Run the app in this folder locally, until Ctrl-C.

    \b
    Examples:
      {command}
      {command} -- --port 8000
    """
    _provide("start", ctx, Options(tuple(arguments or ()), stage, region, profile, verbose))


@_command
def deploy(
    ctx: typer.Context,
    arguments: Arguments = None,
    *,
    stage: Stage = None,
    region: Region = None,
    profile: Profile = None,
    verbose: Verbose = False,
    outputs_file: OutputsFile = None,
    as_json: Json = False,
) -> None:
    """Deploy the app in this folder.

    \b
    Examples:
      {command} --stage dev
      {command} --stage prod --region eu-west-1 -- --debug
    """
    _provide(
        "deploy",
        ctx,
        Options(
            tuple(arguments or ()), stage, region, profile, verbose, outputs_file and outputs_file.absolute(), as_json
        ),
    )


@_command
def remove(
    ctx: typer.Context,
    arguments: Arguments = None,
    *,
    stage: Stage = None,
    region: Region = None,
    profile: Profile = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Remove what deploy made.

    \b
    Examples:
      {command} --stage dev
      {command} --stage dev -- --debug
    """
    _provide("remove", ctx, Options(tuple(arguments or ()), stage, region, profile, verbose, json=as_json))


@_command
def diff(
    ctx: typer.Context,
    arguments: Arguments = None,
    *,
    stage: Stage = None,
    region: Region = None,
    profile: Profile = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Show what deploy would change.

    \b
    Examples:
      {command} --stage dev
      {command} --stage dev -- --debug
    """
    _provide("diff", ctx, Options(tuple(arguments or ()), stage, region, profile, verbose, json=as_json))


def _provide(action: str, ctx: typer.Context, typed: Options) -> None:
    session: Session = ctx.obj
    provider, project = _project(session, action)
    options = _completed(typed, session, project)
    result = session.plugins.provide(provider, action, session.context, project, options)
    if result is None:
        name = printable(project.provider)
        raise NoProviderError(f"The provider {name} does not know how to {_does(action)} in {project.root}.")
    if options.json or options.outputs_file is not None:
        _hand_out(action, session, project, options, result)
    raise typer.Exit(result.exit_code)


def _completed(typed: Options, session: Session, project: Project) -> Options:
    """With what the environment and the project say where nothing was typed."""
    product = session.context.product
    typed_or_set = (typed.stage, typed.region, typed.profile, os.environ.get(product.variable("STAGE")) or None)
    if typed_or_set == (None,) * 4 and not _SETTINGS & project.settings.keys() and not project.kept_stage.exists():
        return typed  # as most that have only tasks: nothing has to be imported to say so
    from sst_core.stages import given_profile, given_region, given_stage

    return Options(
        typed.arguments,
        given_stage(product, project, typed.stage),
        given_region(project, typed.region),
        given_profile(project, typed.profile),
        typed.verbose,
        typed.outputs_file,
        typed.json,
    )


def _hand_out(action: str, session: Session, project: Project, options: Options, result: ProviderResult) -> None:
    from sst_core.outcome_report import report, write_outputs
    from sst_core.stages import given_stage

    if options.json:
        stage = given_stage(session.context.product, project, options.stage)  # the person may have been asked meanwhile
        output(report(action, project, stage, options.region, result))
    if options.outputs_file is not None and result.exit_code == 0:
        write_outputs(options.outputs_file, result)


def _project(session: Session, action: str) -> tuple[Entry, Project]:
    """The project in this folder, and the plugin that claimed it."""
    folder, product = require_folder(working_folder()), session.context.product
    found = read_settings(product, folder)
    file, settings = found or (folder / product.settings_name, {})
    root = file.parent
    claims = session.plugins.detect_provider(session.context, root, settings)
    wanted = settings.get("provider")
    if wanted is not None:
        claims = [(entry, claim) for entry, claim in claims if claim.provider == wanted]
    if not claims:
        _refuse_what_is_switched_off(session, file, settings)
        if wanted is not None:
            raise NoProviderError(
                f"{file} says provider = {wanted!r}, but no plugin of that name knows {root}. "
                f"Those that are asked: {_asked(session)}. Name one of them, or take that line out."
            )
    entry, claim = _only(claims, session, action, root, file if found else None)
    return entry, Project(root=root, provider=claim.provider, settings=settings, settings_file=file)


def read_settings(product: Product, folder: Path) -> tuple[Path, Mapping[str, Any]] | None:
    """The nearest `sst.toml` and its content; None if there is none. Raises :class:`ConfigurationError`."""
    for path in settings_files(product, folder):
        settings = read_toml(path)
        if settings is None:
            raise ConfigurationError(f"{path} went away while it was read. Try again.")
        return path, settings
    return None


def _refuse_what_is_switched_off(session: Session, file: Path, settings: Mapping[str, Any]) -> None:
    """Where the project names a plugin that a variable switches off, nothing is to be written into its file."""
    switches = session.plugins.switches
    for entry in switches.switched_off:
        if entry.name in settings or entry.name == settings.get("provider"):
            why = switches.why_off(entry)
            raise NoProviderError(printable(f"{file} is for plugin {entry}, and {why}. Change that variable."))


def _only(
    claims: list[tuple[Entry, Detected]], session: Session, action: str, root: Path, file: Path | None
) -> tuple[Entry, Detected]:
    name = session.context.product.settings_name
    if len(claims) == 1:
        return claims[0]
    if claims:
        each = ", ".join(printable(f"{claim.provider} ({claim.because})") for _, claim in claims)
        line = printable(f'provider = "{claims[0][1].provider}"')
        raise NoProviderError(f"More than one provider claims {root}: {each}. Say which in {root / name}: {line}")
    looked = f"{file} names none" if file else f"there is no {name} in {root} or above it"
    raise NoProviderError(
        f"Nothing here says how to {_does(action)}: {looked}, "
        f"and none of these plugins knows the folder: {_asked(session)}.\n"
        f"Put this into {root / name}, with your own command:\n\n"
        f"    [tasks]\n"
        f'    {action} = ["python", "{action}.py"]'
    )


def _does(action: str) -> str:
    return _DOES.get(action, f"{action} the app")


def _asked(session: Session) -> str:
    """The plugins that could be a provider."""
    asked = [plugin for plugin in session.plugins.names if "detect_provider" in session.plugins.hooks_of(plugin)]
    return ", ".join(map(printable, asked)) or "none is installed"
