"""`build`, `start`, `deploy`, `remove`, `diff`: the core owns the commands, a provider owns the how."""

from pathlib import Path
from typing import Annotated

import typer

from sst_core.consent import working_folder
from sst_core.errors import ConfigurationError, NoProviderError
from sst_core.invocation import Session
from sst_core.project import Detected, Options, Project, read_settings

Arguments = Annotated[
    list[str] | None, typer.Argument(metavar="[-- ARGS...]", help="Handed to the tool as they are.", show_default=False)
]


def build(ctx: typer.Context, arguments: Arguments = None) -> None:
    """Build the app in this folder.

    Example: {command}
    """
    _provide("build", ctx, arguments)


def start(ctx: typer.Context, arguments: Arguments = None) -> None:
    """Run the app in this folder locally, until Ctrl-C.

    Example: {command}
    """
    _provide("start", ctx, arguments)


def deploy(ctx: typer.Context, arguments: Arguments = None) -> None:
    """Deploy the app in this folder.

    Example: {command}
    """
    _provide("deploy", ctx, arguments)


def remove(ctx: typer.Context, arguments: Arguments = None) -> None:
    """Remove what deploy made.

    Example: {command}
    """
    _provide("remove", ctx, arguments)


def diff(ctx: typer.Context, arguments: Arguments = None) -> None:
    """Show what deploy would change.

    Example: {command}
    """
    _provide("diff", ctx, arguments)


def _provide(action: str, ctx: typer.Context, arguments: list[str] | None) -> None:
    session: Session = ctx.obj
    project = _project(session)
    options = Options(arguments=tuple(arguments or ()))
    result = session.plugins.provide(action, session.context, project, options)
    if result is None:
        raise NoProviderError(f"The provider {project.provider} does not know how to {action} {project.root}.")
    raise typer.Exit(result.exit_code)


def _project(session: Session) -> Project:
    folder = working_folder()
    if folder is None:
        raise ConfigurationError("The working directory does not exist any more. Change to one that does.")
    found = read_settings(session.context.product, folder)
    file, settings = found or (folder / f"{session.context.product.name}.toml", {})
    root = file.parent
    claims = session.plugins.detect_provider(session.context, root, settings)
    wanted = settings.get("provider")
    if wanted is not None:
        claims = [claim for claim in claims if claim.provider == wanted]
        if not claims:
            raise NoProviderError(f"{file} says provider = {wanted!r}, but no plugin of that name knows {root}.")
    claim = _only(claims, session, root, file if found else None)
    return Project(root=root, provider=claim.provider, settings=settings, settings_file=file)


def _only(claims: list[Detected], session: Session, root: Path, file: Path | None) -> Detected:
    name = f"{session.context.product.name}.toml"
    if len(claims) == 1:
        return claims[0]
    if claims:
        each = ", ".join(f"{claim.provider} ({claim.because})" for claim in claims)
        line = f'provider = "{claims[0].provider}"'
        raise NoProviderError(f"More than one provider claims {root}: {each}. Say which in {root / name}: {line}")
    looked = f"{file} names none" if file else f"there is no {name} in {root} or above it"
    raise NoProviderError(
        f"Nothing here says how to build the app: {looked}, "
        f"and none of these plugins knows the folder: {', '.join(session.plugins.names) or 'none is installed'}.\n"
        f"Put this into {root / name}, with your own command:\n\n"
        f"    [tasks]\n"
        f'    build = ["python", "build.py"]\n'
        f'    start = ["python", "app.py"]'
    )
