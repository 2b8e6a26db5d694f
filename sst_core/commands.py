"""The lazy command table: names come from entry points, and a command is imported only when it is run."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command as command_of

from sst_core.entry_points import Entry
from sst_core.errors import PluginError
from sst_core.invocation import Command, Origin, Session
from sst_core.observation import observed
from sst_core.plugins import say

if TYPE_CHECKING:
    # Typer has vendored Click since 0.26 and exports neither of these; a group's `commands` is made of the first.
    from typer._click.core import Command as AnyCommand
    from typer._click.formatting import HelpFormatter


class CommandTable(TyperGroup):
    """The program's top level. `commands` holds a stand-in for each name: help, suggestions and completion need no
    more than a name and a line, so none of them imports a command."""

    session: Session
    entries: dict[str, Entry]
    running: Entry | None = None
    """Whose command was imported to be run."""
    _clashes: list[Entry]
    _listing = False

    def fill(self, session: Session) -> None:
        """List what is installed. The product's own commands come first; a name that is taken is not given twice."""
        self.session = session
        self.entries = {}
        self._clashes = []
        product = session.context.product
        for entry in session.plugins.commands:
            if entry.name in self.entries:
                self._clashes.append(entry)
                continue
            self.entries[entry.name] = entry
            known = product.command_help.get(entry.name) if entry.first_party else None
            self.commands[entry.name] = TyperCommand(entry.name, help=known, rich_markup_mode=None)
        order = list(product.command_help)
        self.commands = dict(sorted(self.commands.items(), key=lambda item: _position(order, item[0])))

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command, after a word on what was left out: not in completion, whose words stand in a prompt."""
        product = self.session.context.product
        for entry in self._clashes:
            say(
                f"{product.name}: the command of plugin {entry} is ignored: the name is taken; "
                f"{product.variable('DISABLE_PLUGINS')}={entry.distribution} switches it off"
            )
        return super().invoke(ctx)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> "AnyCommand | None":  # type: ignore[override]
        """The command itself, imported; or its stand-in while names are only being listed."""
        entry = self.entries.get(cmd_name)
        if entry is None or self._listing:
            return self.commands.get(cmd_name)
        try:
            command = _as_command(entry)
        except PluginError:
            if ctx.resilient_parsing:  # completion: a line on stderr would stand in the middle of the prompt
                return None
            raise
        self.running = entry
        command.name = cmd_name
        origin = Origin.CORE if entry.first_party else Origin.PLUGIN
        _observe(command, self.session, (cmd_name,), origin)
        return command

    def shell_complete(self, ctx: typer.Context, incomplete: str) -> list[Any]:  # type: ignore[override]
        """Names from the table."""
        self._listing = True
        return super().shell_complete(ctx, incomplete)

    def format_commands(self, ctx: typer.Context, formatter: "HelpFormatter") -> None:  # type: ignore[override]  # noqa: ARG002
        """The product's own commands, and those of plugins in a section of their own."""
        own = [(name, self.commands[name].help or "") for name in self.commands if self.entries[name].first_party]
        others = [(name, entry.summary) for name, entry in self.entries.items() if not entry.first_party]
        for title, rows in (("Commands", own), ("Commands of plugins", others)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def _position(order: list[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


def _as_command(entry: Entry) -> "AnyCommand":
    target = entry.load()
    if isinstance(target, typer.Typer):
        app = target
    elif callable(target):
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command()(cast(Callable[..., object], target))
    else:
        raise PluginError(f"plugin {entry} is neither a Typer app nor a function, so it can't be a command.")
    app.info.name = entry.name
    app._add_completion = False
    return command_of(app)


def _observe(command: "AnyCommand", session: Session, path: tuple[str, ...], origin: Origin) -> None:
    """Have every command below `command` observed between its parsing and its body."""
    children: dict[str, AnyCommand] = getattr(command, "commands", {})
    for name, child in children.items():
        _observe(child, session, (*path, name), origin)
    observation = Command(path, origin)
    if not isinstance(command, TyperGroup):
        inner_invoke = command.invoke
        command.invoke = lambda ctx: observed(session, observation, lambda: inner_invoke(ctx))  # type: ignore[method-assign]
    elif command.invoke_without_command and command.callback is not None:
        command.callback = _observed_alone(command, session, observation)


def _observed_alone(group: TyperGroup, session: Session, observation: Command) -> Callable[..., object]:
    """A group's callback, observed as a command when no subcommand follows."""
    callback, invoke = group.callback, group.invoke
    assert callback is not None
    current: list[typer.Context] = []

    def remember(ctx: typer.Context) -> object:
        current.append(ctx)
        return invoke(ctx)

    def call(*args: object, **kwargs: object) -> object:
        if current[-1].invoked_subcommand is not None:
            return callback(*args, **kwargs)
        return observed(session, observation, lambda: callback(*args, **kwargs))

    group.invoke = remember  # type: ignore[method-assign,assignment]
    return call
