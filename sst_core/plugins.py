"""The plugin manager: one typed method for each hook, and no way for a plugin to break the command it watches."""

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pluggy

from sst_core import hookspecs
from sst_core.ci import is_set
from sst_core.consent import Collecting
from sst_core.entry_points import Entry, Installed
from sst_core.errors import PluginError, SstError
from sst_core.installation import normalized
from sst_core.invocation import Command, Context, Outcome
from sst_core.product import Product
from sst_core.project import Detected, Options, Project, ProviderResult


class _RefusedError(PluginError):
    """The core does not take the plugin, and says why."""


class Plugins:
    """The plugins of one run.

    Blocking is read from the environment before anything is imported: `SST_NO_PLUGINS` leaves only the product's own,
    `SST_DISABLE_PLUGINS=a,b` leaves out entries and distributions by name.
    """

    def __init__(self, product: Product, installed: Installed, environ: Mapping[str, str]) -> None:
        self._product = product
        self._only_own = is_set(environ.get(product.variable("NO_PLUGINS")))
        names = environ.get(product.variable("DISABLE_PLUGINS"), "").split(",")
        self._disabled = {normalized(name.strip()) for name in names if name.strip()}
        self._show_traceback = is_set(environ.get(product.variable("DEBUG_PLUGINS")))
        self._strict = is_set(environ.get(product.variable("STRICT_PLUGINS")))
        self._entries = tuple(entry for entry in installed.plugins if not self._blocked(entry))
        self._collectors = tuple(entry for entry in installed.collectors if not self._blocked(entry))
        self._telemetry_is_blocked = any(entry.first_party and self._blocked(entry) for entry in installed.collectors)
        self.commands = tuple(entry for entry in installed.commands if entry.first_party or not self._blocked(entry))
        """The commands that are not blocked. The product's own never are: `telemetry disable` has to stay there."""
        self._owners: dict[str, Entry] = {}
        self._manager = pluggy.PluginManager(hookspecs.NAMESPACE)
        self._manager.add_hookspecs(hookspecs)

    @property
    def telemetry_is_blocked(self) -> bool:
        """Whether the product's own collecting plugin is switched off by name."""
        return self._telemetry_is_blocked

    @property
    def other_collectors(self) -> tuple[Collecting, ...]:
        """The distributions, other than the product's own, whose plugins collect something."""
        others = (entry for entry in self._collectors if not entry.first_party)
        return tuple(dict.fromkeys(Collecting(entry.distribution, entry.sends_to) for entry in others))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the plugins that are loaded."""
        return tuple(self._owners)

    def load(self, *, collecting: bool) -> None:
        """Import and register the plugins; where something collects and may not, the null plugin takes its place."""
        loaders = [(entry, entry.load) for entry in self._entries]
        loaders += [(entry, entry.load if collecting else self._null_plugin) for entry in self._collectors]
        # The product's own first, whatever they do: nobody else's plugin takes the name of one.
        for entry, load in sorted(loaders, key=lambda loader: not loader[0].first_party):
            self._register(entry, load)

    def on_command_invoked(self, context: Context, command: Command) -> None:
        """Tell every plugin, each guarded."""
        self._notify("on_command_invoked", {"context": context, "command": command})

    def on_command_finished(self, context: Context, command: Command, outcome: Outcome) -> None:
        """Tell every plugin, each guarded."""
        self._notify("on_command_finished", {"context": context, "command": command, "outcome": outcome})

    def detect_provider(self, context: Context, root: Path, settings: Mapping[str, Any]) -> list[Detected]:
        """Every claim to the project."""
        with _failing("a provider failed in detect_provider"):
            claims: list[Detected] = self._manager.hook.detect_provider(context=context, root=root, settings=settings)
        return claims

    def provide(self, action: str, context: Context, project: Project, options: Options) -> ProviderResult | None:
        """Have `project`'s provider do `action`, the name of a first-result hook; None if none answers to it."""
        with _failing(f"the provider {project.provider} failed in {action}"):
            result: ProviderResult | None = getattr(self._manager.hook, action)(
                context=context, project=project, options=options
            )
        return result

    def _blocked(self, entry: Entry) -> bool:
        if self._only_own and not entry.first_party:
            return True
        if normalized(entry.name) in self._disabled:
            return True
        return not entry.first_party and entry.point.distribution_name in self._disabled

    def _null_plugin(self) -> object:
        module, _, attribute = self._product.null_plugin.partition(":")
        from importlib import import_module

        return getattr(import_module(module), attribute)()

    def _register(self, entry: Entry, load: Callable[[], object]) -> None:
        name = entry.name
        try:
            if name in self._owners:
                raise _RefusedError(f"{self._owners[name]} has that name already")
            plugin = load()
            # Before it is registered: pluggy before 1.7 leaves the hooks that came before a bad one.
            self._owners[name] = entry
            self._manager.register(plugin, name=name)
            self._check(plugin)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, SystemExit included
            if self._owners.get(name) is entry:
                self._manager.unregister(name=name)
                del self._owners[name]
            self._report(entry, "loading", error)

    def _check(self, plugin: object) -> None:
        self._manager.check_pending()
        for caller in self._manager.get_hookcallers(plugin) or ():
            for implementation in caller.get_hookimpls():
                wraps = implementation.wrapper or implementation.hookwrapper
                if implementation.plugin is plugin and wraps and caller.name in hookspecs.OBSERVERS:
                    raise _RefusedError(f"{caller.name} is a notification and can't be wrapped")

    def _notify(self, hook: str, arguments: Mapping[str, object]) -> None:
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook)
        for implementation in reversed(caller.get_hookimpls()):
            try:
                implementation.function(*(arguments[name] for name in implementation.argnames))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - as above
                self._report(self._owners[implementation.plugin_name], hook, error)

    def _report(self, entry: Entry, where: str, error: BaseException) -> None:
        if self._strict:
            if isinstance(error, Exception):
                raise error
            # SystemExit(0) out of a plugin must not end a strict run as a success.
            raise PluginError(f"plugin {entry} failed in {where}: {type(error).__name__}") from error
        if entry in self._collectors and entry.first_party and not self._show_traceback:
            return  # a user's build is never the place to read about telemetry's own failures
        cause = error.__cause__ if isinstance(error, PluginError) and error.__cause__ else error
        # Only the core's own words: the text of a plugin's exception may hold anything.
        what = str(error) if isinstance(error, _RefusedError) else type(cause).__name__
        switch = entry.distribution if entry.name in self._owners and self._owners[entry.name] != entry else entry.name
        say(
            f"{self._product.name}: plugin {entry} failed in {where}: {what}; "
            f"{self._product.variable('DISABLE_PLUGINS')}={switch} switches it off"
        )
        if self._show_traceback:
            say("".join(traceback.format_exception(cause)).rstrip())


@contextmanager
def _failing(what: str) -> Iterator[None]:
    """A provider's failure is the command's own, and is told as the provider's. Raises :class:`PluginError`."""
    try:
        yield
    except SstError:
        raise
    except Exception as error:
        raise PluginError(f"{what}: {type(error).__name__}: {error}") from error


def say(message: str) -> None:
    """Print a line on stderr, if there is one to print it on."""
    if sys.stderr is None:  # closed by whoever started us; print would take stdout instead
        return
    try:
        print(message, file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        return
