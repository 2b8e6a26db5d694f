"""Any Typer program with plugins, consent and telemetry of its own: `main = adopt(app, "acme")`.

What is adopted stays its author's: its help, its completion, its exit codes and its tracebacks are as they were. Beside
its own commands stand `acme telemetry` and the commands of its plugins, each imported when it is run.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from copy import copy
from functools import cached_property
from types import FunctionType, TracebackType
from typing import TYPE_CHECKING, Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup
from typer.models import TyperInfo

from sst_core.catalogue import PLUGIN_COMMAND
from sst_core.cli import ending_in_words, open_session
from sst_core.commands import (
    PANEL,
    harmless,
    loaded,
    observe,
    observe_alone,
    registered_names,
    say_ignored,
    why_ignored,
)
from sst_core.entry_points import Entry
from sst_core.errors import AdoptionError
from sst_core.fields import standard_catalogue, wording_for
from sst_core.installation import installed_version
from sst_core.invocation import Command, Origin, Session
from sst_core.product import Product, is_being_looked_at
from sst_core.terminal import say

if TYPE_CHECKING:
    from typer._click.core import Command as AnyCommand
    from typer._click.core import Context as AnyContext
    from typer._click.formatting import HelpFormatter

_TELEMETRY_HELP = "See and control what is recorded."
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_OURS = __file__.rpartition("adoption")[0]


def adopt(
    app: typer.Typer,
    name: str,
    *,
    version: str | None = None,
    collector: str | None = None,
    distribution: str | None = None,
    target: str | None = None,
    telemetry_command: str = "telemetry",
) -> "Adopted":
    """The program to call in place of `app`. Call this once, in a module, after the last command is registered.

    `name` is the program's, and from it follow the entry-point groups (`acme.plugins`, `acme.commands`,
    `acme.telemetry`), the variables (`ACME_TELEMETRY_DISABLED`) and the folders. The commands that are registered now
    are the closed list of what is recorded by name; any other is recorded as `plugin`.

    `version` is by default that of `distribution`, which is by default called like the program. `collector` is where
    events go, `https://…/events`; without it they stay on the machine. `target` is where this program can be imported
    from, as `module:attribute`; by default that is found out. `telemetry_command` is what the command about telemetry
    is called.

    Raises :class:`AdoptionError` if the program has a command of that name, or if no version is to be had.
    """
    commands = tuple(_registered(app))
    if telemetry_command in commands:
        raise AdoptionError(f"{name} has a command called {telemetry_command}. Choose another: telemetry_command=…")
    found = version if version is not None else installed_version(distribution or name)
    if found is None:
        raise AdoptionError(f"No distribution {distribution or name} is installed. Give distribution=… or version=….")
    alone = (name,) if typer.main.solve_typer_info_defaults(TyperInfo(app)).invoke_without_command else ()
    listed = tuple(command for command in (*commands, *alone) if _NAME.fullmatch(command))

    def product(target: str) -> Product:
        return Product(
            name=name,
            version=_three_numbers(found),
            distribution=distribution or name,
            env_prefix=re.sub(r"\W", "_", name).upper(),
            catalogue=standard_catalogue(listed, wording_for(name)),
            summary="",
            command_help={telemetry_command: _TELEMETRY_HELP},
            target=target,
            null_plugin="sst_null:NullPlugin",
            telemetry_command=telemetry_command,
            default_collector=collector,
            built_in=(
                ("commands", telemetry_command, "sst_telemetry.cli:app"),
                ("telemetry", "telemetry", "sst_telemetry:plugin"),
            ),
        )

    return Adopted(app, name, product, target, sys._getframe(1).f_globals)


class Adopted:
    """An adopted program. Called as a Typer app is, with the same arguments."""

    def __init__(
        self,
        app: typer.Typer,
        name: str,
        product: Callable[[str], Product],
        target: str | None,
        namespace: Mapping[str, object],
    ) -> None:
        self.app = app
        self._name = name
        self._product = product
        self._target = target
        self._namespace = namespace

    @cached_property
    def product(self) -> Product:
        """What is particular to the program. Raises :class:`AdoptionError` if a sender could not import it."""
        return self._product(self._target or self._found_target())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program, by default with the process's own arguments, as the app itself would."""
        if is_being_looked_at():
            raise AdoptionError(f'{self._name} runs when it is imported. Guard that: if __name__ == "__main__":')
        # Typer's own way in, so that all it does there stays as it is; only the commands come from here.
        ours = {"get_command": self._command, "except_hook": _except_hook}
        code = typer.Typer.__call__.__code__
        return FunctionType(code, {**vars(typer.main), **ours})(self.app, *args, **kwargs)

    def _command(self, app: typer.Typer) -> "AnyCommand":
        group = typer.main.get_command(app)
        try:
            if not isinstance(group, TyperGroup):
                raise AdoptionError(
                    f"{self._name} is a single command, so there is no place for `{self._name} telemetry`. "
                    "Give it a callback (@app.callback()) and its command a name."
                )
            session = open_session(self.product)
        except AdoptionError as error:  # its author is the one who reads this
            say(f"{self._name}: error: {error}")
            sys.exit(error.exit_code)
        _extend(group, session)
        return group

    def _found_target(self) -> str:
        module = self._module()
        attribute = next((name for name, value in self._namespace.items() if value is self), None)
        if module is None or attribute is None:
            what = "is a script" if module is None else "is not bound to a name of its module"
            raise AdoptionError(
                f"A process that sends has to import {self._name}, which {what}. Put `main = adopt(…)` into a module "
                'that can be imported, or say where it is: target="module:main".'
            )
        return f"{module}:{attribute}"

    def _module(self) -> str | None:
        """The name by which another process can import what called `adopt`; None for a script."""
        name = self._namespace.get("__name__")
        if name != "__main__":
            return str(name)
        spec = self._namespace.get("__spec__")  # `python -m` knows it
        return getattr(spec, "name", None)


def _extend(group: TyperGroup, session: Session) -> None:
    """Have the program's own commands observed, and put beside them what is installed for it."""
    _observe(group, session)
    ignored: dict[Entry, str] = {}
    for entry in session.plugins.commands:
        why = why_ignored(entry, group.commands)
        if why:
            ignored[entry] = why
        else:
            group.commands[entry.name] = _StandIn(entry, session)
    _say_before_running(group, session, ignored)
    _list_apart(group)


def _observe(group: TyperGroup, session: Session) -> None:
    find = group.get_command

    def find_observed(ctx: typer.Context, typed: str) -> "AnyCommand | None":
        found = find(ctx, typed)
        if found is None or isinstance(found, _StandIn):  # what it stands for is observed then
            return found
        # What the program makes up at the moment has no registered name, and is nobody's to record.
        path = registered_names(group, ctx, typed, found) or (PLUGIN_COMMAND,)
        found = copy(found)  # it may be found more than once
        observe(found, session, path, Origin.CORE)
        return found

    group.get_command = find_observed  # type: ignore[method-assign,assignment]
    observe_alone(group, session, Command((session.context.product.name,), Origin.CORE))


class _StandIn(TyperCommand):
    """A command that is imported when it is run: help, suggestions and completion need no more than this."""

    def __init__(self, entry: Entry, session: Session) -> None:
        panel = None if entry.first_party else PANEL
        super().__init__(entry.name, rich_markup_mode=None, rich_help_panel=panel)
        self.entry = entry
        self._session = session

    @property
    def help(self) -> str:
        """Read when somebody asks: for a plugin's command, it stands in a file."""
        if self.entry.first_party:
            return self._session.context.product.command_help.get(self.entry.name, "")
        return harmless(self.entry.summary)

    @help.setter
    def help(self, _: str | None) -> None:
        """Typer's own class sets it."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: "AnyContext | None" = None, **extra: Any
    ) -> "AnyContext":
        """The context of the command itself. What its body finds in `obj` is the core's, as every plugin's does."""
        with self._ending_in_words():
            command = loaded(self.entry, self._session, completing=bool(extra.get("resilient_parsing")))
        if command is None:
            return super().make_context(info_name, args, parent, **extra)
        body = command.invoke

        def invoke(ctx: "AnyContext") -> Any:
            with self._ending_in_words():
                return body(ctx)

        command.invoke = invoke  # type: ignore[method-assign]
        return command.make_context(info_name, args, parent=parent, obj=self._session, **extra)

    def _ending_in_words(self) -> AbstractContextManager[None]:
        return ending_in_words(self._session.context.product, lambda: (self._session, self.entry))


def _say_before_running(group: TyperGroup, session: Session, ignored: Mapping[Entry, str]) -> None:
    """Name what is left out when a command is run: not in completion, whose words stand in a prompt."""
    invoke = group.invoke

    def said(ctx: "AnyContext") -> Any:
        say_ignored(session, ignored)
        return invoke(ctx)

    if ignored:
        group.invoke = said  # type: ignore[method-assign]


def _list_apart(group: TyperGroup) -> None:
    """Where help is plain text, list what plugins bring in a section of its own, as rich help does by its panel."""
    format_commands = group.format_commands
    added = [command for command in group.commands.values() if isinstance(command, _StandIn)]
    others = [command for command in added if not command.entry.first_party]

    def apart(ctx: "AnyContext", formatter: "HelpFormatter") -> None:
        for command in others:
            command.hidden = True
        format_commands(ctx, formatter)
        with formatter.section(PANEL):
            formatter.write_dl([(command.entry.name, command.help) for command in others])

    if others:
        group.format_commands = apart  # type: ignore[method-assign]


def _registered(app: typer.Typer) -> Iterator[str]:
    """The names of the app's top level, as Typer makes them."""
    for command in app.registered_commands:
        assert command.callback is not None
        yield command.name or typer.main.get_command_name(command.callback.__name__)
    for group in app.registered_groups:
        name = typer.main.solve_typer_info_defaults(group).name
        if name:
            yield name
        else:  # its commands stand among the others
            assert group.typer_instance is not None
            yield from _registered(group.typer_instance)


def _three_numbers(version: str) -> str:
    """The version as far as it may be recorded: three numbers of at most four digits."""
    numbers = re.match(r"v?(?:\d+!)?((?:\d+\.)*\d+)", version)
    parts = [str(min(int(part), 9999)) for part in (numbers[1] if numbers else "0").split(".")]
    return ".".join([*parts, "0", "0"][:3])


def _except_hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Typer's own, for a traceback of the program's own frames: it ends as it did before the program adopted us."""
    error.__traceback__ = _without_ours(trace)
    typer.main.except_hook(kind, error, error.__traceback__)


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    frames = []
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(_OURS):
            frames.append(trace)
        trace = trace.tb_next
    rest: TracebackType | None = None
    for frame in reversed(frames):
        rest = TracebackType(rest, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return rest
