"""The lazy command table: names come from entry points, and a command is imported only when it is run."""

import re
import sys
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from copy import copy
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from io import StringIO
from typing import TYPE_CHECKING, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command as command_of

from sst_core.entry_points import Entry
from sst_core.errors import PluginError, RefusedError, is_interrupt
from sst_core.invocation import Command, Origin, Session
from sst_core.observation import observed
from sst_core.product import Product
from sst_core.terminal import printable, say

if TYPE_CHECKING:
    # Typer has vendored Click since 0.26 and exports neither of these; a group's `commands` is made of the first.
    from typer._click.core import Command as AnyCommand
    from typer._click.core import Context as AnyContext
    from typer._click.formatting import HelpFormatter

_A_NAME = re.compile(r"\w[\w.-]*")
"""A command's name stands in shells' completion scripts, unquoted."""

PANEL = "Commands of plugins"
"""Where `--help` lists what plugins bring."""


class CommandTable(TyperGroup):
    """The program's top level. `commands` holds a stand-in for each name: help, suggestions and completion need no
    more than a name and a line, so none of them imports a command."""

    session: Session
    entries: dict[str, Entry]
    running: Entry | None = None
    """Whose command was imported to be run; of one that runs others, its own."""
    _ignored: dict[Entry, str]
    """What was left out, and why."""
    _listing = False

    def fill(self, session: Session) -> None:
        """List what is installed. The product's own commands come first; a name that is taken is not given twice."""
        self.session = session
        self.entries = {}
        self._ignored = {}
        product = session.context.product
        for entry in session.plugins.commands:
            why = why_ignored(entry, self.entries)
            if why:
                self._ignored[entry] = why
                continue
            self.entries[entry.name] = entry
            known = product.command_help.get(entry.name) if entry.first_party else None
            self.commands[entry.name] = TyperCommand(entry.name, help=known, rich_markup_mode=None)
        order = list(product.command_help)
        self.commands = dict(sorted(self.commands.items(), key=lambda item: _position(order, item[0])))

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command, after a word on what was left out: not in completion, whose words stand in a prompt."""
        say_ignored(self.session, self._ignored)
        with _fitted_mistakes():
            return super().invoke(ctx)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """The command that is named first. Of one that a variable switches off, it is said that it does."""
        why = "" if args[0] in self.entries else self.session.plugins.switches.why_command_off(args[0])
        if why and not ctx.resilient_parsing:
            ctx.fail(f"The command {args[0]!r} is not there: {why}.")
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """What stands before the command's name."""
        with _fitted_mistakes():
            return super().parse_args(ctx, args)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> "AnyCommand | None":  # type: ignore[override]
        """The command itself, imported; or its stand-in while names are only being listed."""
        entry = self.entries.get(cmd_name)
        if entry is None or self._listing:
            return self.commands.get(cmd_name)
        command = loaded(entry, self.session, completing=ctx.resilient_parsing)
        if command is not None:
            self.running = self.running or entry
        return command

    def shell_complete(self, ctx: typer.Context, incomplete: str) -> list[Any]:  # type: ignore[override]
        """Names from the table, with a line on each."""
        self._listing = True
        for name, entry in self.entries.items():
            if not entry.first_party and name.startswith(incomplete):
                self.commands[name].help = harmless(entry.summary)
        # Typer renders each line with rich if it finds it: 100 ms a key, and a stranger's brackets would be markup.
        sys.modules["rich"] = None  # type: ignore[assignment]
        return super().shell_complete(ctx, incomplete)

    def format_commands(self, ctx: typer.Context, formatter: "HelpFormatter") -> None:  # type: ignore[override]  # noqa: ARG002
        """The product's own commands, and those of plugins in a section of their own."""
        own = [(name, self.commands[name].help or "") for name in self.commands if self.entries[name].first_party]
        others = [(name, entry.summary) for name, entry in self.entries.items() if not entry.first_party]
        for title, rows in (("Commands", own), (PANEL, others)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


@contextmanager
def _fitted_mistakes() -> Iterator[None]:
    """Have what Typer is going to say of a mistake broken between words: it prints each message as one line."""
    try:
        yield
    except typer.TyperException as mistake:
        if type(mistake).__name__ != "NoArgsIsHelpError":  # which is the help, as wide as it has to be
            from sst_core.width import fitted

            label = "Error:"
            words = fitted(f"{label} {mistake.format_message()}", sys.stderr).removeprefix(label).lstrip()
            setattr(mistake, "format_message", lambda: words)  # noqa: B010 - a method
        raise


def _position(order: list[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


def why_ignored(entry: Entry, taken: Container[str]) -> str:
    """Why the entry's command is left out, beside those whose names are `taken`; empty if it isn't."""
    if not can_be_typed(entry.name):
        return "nobody could type its name"
    return "the name is taken" if entry.name in taken else ""


def can_be_typed(name: str) -> bool:
    """Whether it can stand in a shell, unquoted."""
    return _A_NAME.fullmatch(name) is not None


def harmless(summary: str) -> str:
    """Of a stranger's text, words alone: Typer hands it to zsh to evaluate, and to rich, which finds markup in it."""
    return re.sub(r"[^\w ,.+/-]+", "", summary)


@contextmanager
def _unheard() -> Iterator[None]:
    """Silences stdout and stderr while a command is imported for completion: anything printed would end up in the
    prompt."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        yield


def say_ignored(session: Session, ignored: Mapping[Entry, str]) -> None:
    """Name the commands that are left out, each with why."""
    for entry, why in ignored.items():
        refusal = session.plugins.refusal(entry, why)
        say(f"{session.context.product.name}: the command of plugin {entry} is ignored: {refusal}", fit=True)


def loaded(entry: Entry, session: Session, *, completing: bool) -> "AnyCommand | None":
    """The entry's command, imported and observed. Raises :class:`PluginError`; while completing it is None instead,
    since a line on stderr would stand in the middle of the prompt."""
    try:
        with _unheard() if completing else nullcontext():
            command = _as_command(entry, session)
    except PluginError:
        if completing:
            return None
        raise
    observe(command, session, (entry.name,), Origin.CORE if entry.first_party else Origin.PLUGIN)
    return command


def _as_command(entry: Entry, session: Session) -> "AnyCommand":
    """The entry's command, imported. Raises :class:`PluginError`."""
    try:
        command = imported_command(entry)
    except RefusedError as error:
        refusal = session.plugins.refusal(entry, str(error))
        raise PluginError(f"the command of plugin {entry} can't be run: {refusal}") from error.__cause__
    if entry.first_party:
        product = session.context.product
        _fill_in(command, product, f"{product.name} {entry.name}")
    return command


def _fill_in(command: "AnyCommand", product: Product, path: str) -> None:
    """Put the names that the product goes by into help texts: its own commands may be the core's. And have every
    mistake shown with its usage."""
    _say_usage(command)
    names = {"{program}": product.name, "{prefix}": product.env_prefix, "{command}": path}
    for described in (command, *command.params):
        text = getattr(described, "help", None)
        if text and "{" in text:
            for name, own in names.items():
                text = text.replace(name, own)
            setattr(described, "help", text)  # noqa: B010 - of parameters, options alone have one
        kind = getattr(described, "type", None)
        if getattr(kind, "name", None) == "int range":  # Typer's word, which it says of a value that is none
            setattr(kind, "name", "whole number")  # noqa: B010 - Typer vendors its class
    for name, child in getattr(command, "commands", {}).items():
        _fill_in(child, product, f"{path} {name}")


def _say_usage(command: "AnyCommand") -> None:
    """Typer names no command where an option lacks its value, and so shows no usage."""
    parse = command.parse_args

    def parse_args(ctx: "AnyContext", args: list[str]) -> list[str]:
        try:
            return parse(ctx, args)
        except typer.TyperException as mistake:
            if getattr(mistake, "ctx", ctx) is None:
                setattr(mistake, "ctx", ctx)  # noqa: B010 - those of a usage alone have one
            raise

    command.parse_args = parse_args  # type: ignore[method-assign]


def imported_command(entry: Entry) -> "AnyCommand":
    """What the entry names, imported, as the command that Typer makes of it. Raises :class:`RefusedError`."""
    app = _app_of(entry.load())
    app.info.name = entry.name
    app._add_completion = False
    try:
        command = command_of(app)
    except BaseException as error:  # it reads annotations, and runs what classes and parsers of the plugin's own do
        if is_interrupt(error):
            raise
        raise RefusedError(printable(f"Typer can't make a command of it: {type(error).__name__}")) from error
    command.name = entry.name
    _refuse_what_nothing_runs(command)
    return command


def _refuse_what_nothing_runs(command: "AnyCommand") -> None:
    """To call one of these runs nothing of it, and the command would end with 0. Raises :class:`RefusedError`."""
    # What Typer was given, and nothing further in: a decorator may well run it.
    function = getattr(command.callback, "__wrapped__", None)
    if isgeneratorfunction(function) or iscoroutinefunction(function) or isasyncgenfunction(function):
        raise RefusedError(
            printable(f"its {function.__name__} is called and not awaited, so it can be neither async nor a generator")
        )
    for child in getattr(command, "commands", {}).values():
        _refuse_what_nothing_runs(child)


def _app_of(target: object) -> typer.Typer:
    if isinstance(target, typer.Typer):
        return target
    if not callable(target):
        raise RefusedError("it is neither a Typer app nor a function")
    app = typer.Typer(rich_markup_mode=None)
    app.command()(cast(Callable[..., object], target))
    return app


def observe(command: "AnyCommand", session: Session, path: tuple[str, ...], origin: Origin) -> None:
    """Have `command`, and every command that is found below it, observed between its parsing and its body."""
    observation = Command(path, origin)
    if not isinstance(command, TyperGroup):
        invoke = command.invoke
        command.invoke = lambda ctx: observed(session, observation, lambda: invoke(ctx))  # type: ignore[method-assign]
        return
    find = command.get_command

    def find_observed(ctx: typer.Context, typed: str) -> "AnyCommand | None":
        # A copy, since a command may be found more than once, and under several names.
        found = copy(find(ctx, typed))
        if found is not None:
            observe(found, session, (*path, *registered_names(command, ctx, typed, found)), origin)
        return found

    command.get_command = find_observed  # type: ignore[method-assign,assignment]
    observe_alone(command, session, observation)


def registered_names(group: TyperGroup, ctx: typer.Context, typed: str, found: "AnyCommand") -> tuple[str, ...]:
    """The name that `found` has in its group, which may find it by another; nothing if it is of the moment's making."""
    if typed in group.commands or typed in group.list_commands(ctx):
        return (typed,)
    return (found.name,) if found.name and found.name in group.commands else ()


def observe_alone(group: TyperGroup, session: Session, observation: Command) -> None:
    """Have a group's callback observed as a command when no subcommand follows, if it can be called so."""
    callback, invoke = group.callback, group.invoke
    if not group.invoke_without_command or callback is None:
        return
    current: typer.Context | None = None

    def remember(ctx: typer.Context) -> object:
        nonlocal current
        current = ctx
        return invoke(ctx)

    def call(*args: object, **kwargs: object) -> object:
        if current is not None and current.invoked_subcommand is not None:
            return callback(*args, **kwargs)
        return observed(session, observation, lambda: callback(*args, **kwargs))

    group.invoke = remember  # type: ignore[method-assign,assignment]
    group.callback = call
