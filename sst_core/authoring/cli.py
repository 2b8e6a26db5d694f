"""`sst plugins …`: what is installed and what became of it, what is wrong with it, and a new one."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Annotated

import typer

from sst_core.authoring.diagnosis import Finding, findings
from sst_core.authoring.loading import PATIENCE, Loading, load_apart
from sst_core.authoring.survey import State, Surveyed, survey
from sst_core.commands import can_be_typed
from sst_core.errors import ExitCode
from sst_core.invocation import Session
from sst_core.processes import exit_codes_kept
from sst_core.product import Product
from sst_core.terminal import output, printable
from sst_core.timeline import waiting

app = typer.Typer(
    help="""List plugins, find out what is wrong with one, or begin one.

    Example: {command} list
    """,
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

STATE_WIDTH = max(len(state.value) for state in State)


def _complete_plugin(ctx: typer.Context, incomplete: str) -> list[str]:
    """By the entry's name, where a shell can be handed it: completion scripts don't quote it."""
    names = {each.entry.name for each in survey(ctx.obj) if can_be_typed(each.entry.name)}
    return sorted(name for name in names if name.startswith(incomplete))


@app.command("list", short_help="List the plugins, the hooks of each, and what became of it.")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List the plugins that are installed, the hooks of each, and what became of it and why.

    Each is imported in a process of its own, if a command would import it, and not otherwise.

    Example: {command}
    """
    session: Session = ctx.obj
    product = session.context.product
    surveyed = survey(session)
    with _loading("each plugin"):
        loadings = _loaded(product, surveyed)
    rows = [
        (each, State.FAILED if loading and loading.failed else each.state, loading)
        for each, loading in zip(surveyed, loadings, strict=True)
    ]
    if as_json:
        told = [_as_json(product, each, state, loading) for each, state, loading in rows]
        output(json.dumps(told, indent=2))
        return
    width = max((len(each.entry.name) for each, _, _ in rows), default=0)
    for each, state, loading in rows:
        output(f"{each.entry.name:<{width}}  {state.value:<{STATE_WIDTH}}  {_origin(product, each)}")
        _print_indented(_why(each, loading) or _hooks(loading), " " * (width + STATE_WIDTH + 4))


@app.command(short_help="Say what is wrong with each plugin, and what to do.")
def doctor(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAMES...]", help="Plugins or distributions. Default: all.", autocompletion=_complete_plugin
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Load each plugin in a process of its own, time it, and say what is wrong with it and what to do.

    One that is switched off, or that collects while telemetry is off, is not imported, whoever asks. Exits with 1 if
    anything is wrong.

    \b
    Examples:
      {command}
      {command} tasks
    """
    session: Session = ctx.obj
    product = session.context.product
    surveyed = _named(survey(session), names or [], f"{product.name} {product.plugins_command} list")
    told = []
    for each in surveyed:  # one after the other: what runs beside it would be in its time
        with _loading(printable(each.entry.name)):
            told.append(_examined(session, each))
        if not as_json:
            _print_examined(product, *told[-1])
    if as_json:
        output(json.dumps([_findings_as_json(product, *each) for each in told], indent=2))
    raise typer.Exit(ExitCode.FAILURE if any(found for _, _, found in told) else ExitCode.OK)


@app.command(short_help="Write a complete package into ./NAME.")
def new(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the package and its folder, such as sst-hello.")],
    as_json: Json = False,
) -> None:
    """Write a complete package into ./NAME: a hook, a command, their tests, a README. Overwrites nothing.

    Example: {command} sst-hello
    """
    from sst_core.authoring.package import NewPackage, NotPossibleError, write_package

    try:
        package = NewPackage.named(name, ctx.obj)
        files = write_package(package)
    except NotPossibleError as error:
        raise typer.BadParameter(str(error), param_hint="NAME") from None
    if as_json:
        output(json.dumps({"folder": str(package.folder), "files": files}, indent=2))
        return
    for file in files:
        output(str(file))
    where = "in the environment where sst is (the one on PyPI is another project's)"
    output(f"\nNext, {where}:\n  cd {package.folder}\n  python -m pip install -e . pytest\n  python -m pytest")


@contextmanager
def _loading(what: str) -> Iterator[None]:
    """Tell who waits what is loaded. One that is slow is loaded twice, and given the same time again."""
    # Around all that is loaded at one time: only this thread may say what becomes of exit codes.
    with exit_codes_kept(), waiting(f"Loading {what} in a process of its own, which is given {PATIENCE:.0f} seconds."):
        yield


def _loaded(product: Product, surveyed: tuple[Surveyed, ...]) -> list[Loading | None]:
    def load(each: Surveyed) -> Loading | None:
        return load_apart(product, each) if each.state is State.LOADED else None

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(load, surveyed))


def _named(surveyed: tuple[Surveyed, ...], names: list[str], list_: str) -> tuple[Surveyed, ...]:
    known = {word for each in surveyed for word in (each.entry.name, each.entry.distribution)}
    unknown = [name for name in names if name not in known]
    if unknown:
        from difflib import get_close_matches

        near = [f"'{close}'" for name in unknown for close in get_close_matches(name, known, n=1)]
        meant = f"; did you mean {', '.join(near)}?" if near else "."
        raise typer.BadParameter(
            f"there is no plugin {', '.join(map(repr, unknown))}{meant} `{list_}` names those there are.",
            param_hint="NAMES",
        )
    return tuple(each for each in surveyed if not names or {each.entry.name, each.entry.distribution} & {*names})


def _examined(session: Session, each: Surveyed) -> tuple[Surveyed, Loading | None, tuple[Finding, ...]]:
    is_imported = each.state in (State.LOADED, State.COMMAND)
    loading = load_apart(session.context.product, each) if is_imported else None
    return each, loading, findings(session, each, loading)


def _print_examined(product: Product, each: Surveyed, loading: Loading | None, found: tuple[Finding, ...]) -> None:
    output(f"{each.entry.name}  {_origin(product, each)}")
    if not found or each.state is State.REPLACED:
        _print_indented(_good(each, loading), "  ")
    for finding in found:
        _print_indented(f"wrong: {finding.what}", "  ")
        _print_indented(finding.advice, "         ")


def _good(each: Surveyed, loading: Loading | None) -> str:
    if loading is None:
        return f"not imported: {each.why}"
    modules = "1 module" if loading.modules == 1 else f"{loading.modules} modules"
    spent = f"ok: imported in {loading.milliseconds:.0f} ms, {modules}"
    return f"{spent}; {_hooks(loading)}" if each.kind != "commands" else spent


def _hooks(loading: Loading | None) -> str:
    return ", ".join(loading.hooks) if loading and loading.hooks else "no hooks"


def _why(each: Surveyed, loading: Loading | None) -> str:
    return (loading.failed if loading else "") or each.why


def _origin(product: Product, each: Surveyed) -> str:
    return f"{each.entry.distribution} {each.entry.version}, {product.group(each.kind)}"


def _print_indented(text: str, indent: str) -> None:
    for line in text.split("\n"):
        output(f"{indent}{printable(line)}", fit=True)


def _as_json(product: Product, each: Surveyed, state: State, loading: Loading | None) -> dict[str, object]:
    return {
        "name": each.entry.name,
        "distribution": each.entry.distribution,
        "version": each.entry.version,
        "first_party": each.entry.first_party,
        "group": product.group(each.kind),
        "target": each.entry.point.value,
        "state": state.value,
        "why": _why(each, loading),
        "hooks": list(loading.hooks) if loading else [],
    }


def _findings_as_json(
    product: Product, each: Surveyed, loading: Loading | None, found: tuple[Finding, ...]
) -> dict[str, object]:
    state = State.FAILED if loading and loading.failed else each.state
    return {
        **_as_json(product, each, state, loading),
        "milliseconds": loading.milliseconds if loading else None,
        "modules": loading.modules if loading else None,
        "findings": [{"what": finding.what, "advice": finding.advice} for finding in found],
    }
