"""The plugin manager: one typed method for each hook, and no way for a plugin to break the command it watches."""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sst_core.entry_points import Entry, Installed
from sst_core.environment import is_set
from sst_core.errors import ConfigurationError, PluginError, RefusedError, SstError, is_interrupt
from sst_core.guarding import failing, kept_apart
from sst_core.invocation import Command, Context, Outcome
from sst_core.product import Product
from sst_core.project import Detected, Options, Project, ProviderResult, answer_of, claim_of
from sst_core.switches import Switches
from sst_core.terminal import printable, say

if TYPE_CHECKING:
    import pluggy

    from sst_core.declaration import CollectingPlugin, Declaration

Answering = Callable[[], ProviderResult | None]
"""A provider's answer, once it is called for."""


class Plugins:
    """The plugins of one run, without those that a variable switches off: nobody imports them."""

    def __init__(self, product: Product, installed: Installed, environ: Mapping[str, str]) -> None:
        self._product = product
        self._show_traceback = is_set(environ.get(product.variable("DEBUG_PLUGINS")))
        self._strict = is_set(environ.get(product.variable("STRICT_PLUGINS")))
        self.switches = Switches(product, installed, environ)
        self._entries = tuple(entry for entry in installed.plugins if not self.switches.is_off(entry))
        self._collecting = tuple(entry for entry in installed.telemetry if not self.switches.is_off(entry))
        self.commands = tuple(entry for entry in installed.commands if not self.switches.is_off(entry))
        """The commands that are not switched off."""
        self._owners: dict[str, Entry] = {}
        self._are_loaded = False
        self.are_told_of_a_command = False
        """Whether a command has begun and not ended."""

    @property
    def collecting_plugins(self) -> "tuple[CollectingPlugin, ...]":
        """The distributions, other than the product's own, whose plugins collect something, and what they declare."""
        if not self._declarations:
            return ()
        from sst_core.declaration import CollectingPlugin  # most users have no such plugin

        return tuple(
            dict.fromkeys(
                CollectingPlugin(
                    entry.distribution,
                    (found.sends_to if found else None) or entry.sends_to,
                    found.values if found else (),
                )
                for entry, found in self._declarations.items()
                if not isinstance(found, ConfigurationError)
            )
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the plugins that are loaded."""
        return tuple(self._owners)

    def refusal(self, entry: Entry, why: str) -> str:
        """`why` and what else there is to say of a plugin that was not taken: that it is made for a newer core."""
        from sst_core.refusals import what_is_too_old

        words = (why, what_is_too_old(entry, self._product), self.switches.how_to_switch_off(entry))
        return printable("; ".join(filter(None, words)))

    def hooks_of(self, name: str) -> tuple[str, ...]:
        """The hooks that the plugin registered under `name` implements; none if there is no such plugin."""
        callers = self._manager.get_hookcallers(self._manager.get_plugin(name)) or ()
        return tuple(caller.name for caller in callers)

    def load(self, *, collecting: bool, only_own: bool = False) -> None:
        """Import and register the plugins, once; in the place of each that collects, the null plugin where it may not.

        Called again for a later command of the same run, it unregisters the collecting plugins if consent has gone.
        `only_own` leaves out all that are not the product's.
        """
        if self._are_loaded:
            for entry in () if collecting else self._collecting:
                self._forget(entry)
            return
        self._are_loaded = True
        loaders = [(entry, entry.load) for entry in self._entries]
        loaders += [(entry, self._loader(entry) if collecting else self._null_plugin) for entry in self._collecting]
        if only_own:
            loaders = [(entry, load) for entry, load in loaders if entry.first_party]
        # The product's own first, whatever they do: nobody else's plugin takes the name of one.
        for entry, load in sorted(loaders, key=lambda loader: not loader[0].first_party):
            self._register(entry, load)

    def on_command_invoked(self, context: Context, command: Command) -> None:
        """Tell every plugin, each guarded."""
        self.are_told_of_a_command = True
        self._notify("on_command_invoked", {"context": context, "command": command})

    def on_command_finished(self, context: Context, command: Command, outcome: Outcome) -> None:
        """Tell every plugin, each guarded."""
        try:
            self._notify("on_command_finished", {"context": context, "command": command, "outcome": outcome})
        finally:
            self.are_told_of_a_command = False

    def detect_provider(
        self, context: Context, root: Path, settings: Mapping[str, Any]
    ) -> list[tuple[Entry, Detected]]:
        """Every claim to the project, and whose it is. Each plugin is asked, guarded: one that fails claims nothing.

        Where none claims it, raises what a plugin has to tell the user in words: :class:`SstError`.
        """
        claims: list[tuple[Entry, Detected]] = []
        words: list[SstError] = []
        for entry, ask in self._each("detect_provider", {"context": context, "root": root, "settings": settings}):
            with self._guarded(entry, "detect_provider"):
                try:
                    claim = claim_of(ask())
                    claims += [(entry, claim)] if claim else []
                except RefusedError:
                    raise
                except SstError as error:
                    words.append(error)
        if words and not claims:  # what one can't read is no matter where another knows the project
            raise words[0]
        return claims

    def provide(
        self, provider: Entry, action: str, context: Context, project: Project, options: Options
    ) -> ProviderResult | None:
        """Have the plugin that claimed `project` do `action`, the name of a first-result hook; None if it does not.

        Others' implementations are not called, and what wraps the hook is, whoever's it is. Raises
        :class:`PluginError`, with the name of who failed.
        """
        from sst_core.hookspecs import wraps

        arguments = {"context": context, "project": project, "options": options}
        caller: pluggy.HookCaller = getattr(self._manager.hook, action)
        called = list(reversed(caller.get_hookimpls()))
        own = [each for each in called if not wraps(each) and self._owners[each.plugin_name] is provider]

        def answer() -> ProviderResult | None:
            for implementation in own:
                found = answer_of(implementation.function(*_handed(implementation, arguments)))
                if found is not None:
                    return found
            return None

        for wrapper in reversed([each for each in called if wraps(each)]):  # the outermost is called first
            answer = self._wrapped(wrapper, action, _handed(wrapper, arguments), answer)
        with failing(f"the provider {printable(project.provider)} failed in {action}"):
            return answer()

    def _wrapped(
        self, wrapper: "pluggy.HookImpl", action: str, handed: Sequence[object], inner: Answering
    ) -> Answering:
        from sst_core.wrapping import wrapped  # most hooks are wrapped by nobody

        entry = self._owners[wrapper.plugin_name]
        how = self.switches.how_to_switch_off(entry)
        return lambda: wrapped(wrapper, handed, inner, lambda why: f"plugin {entry} failed in {action}: {why}; {how}")

    @cached_property
    def _declarations(self) -> "Mapping[Entry, Declaration | ConfigurationError | None]":
        """What each collecting plugin of somebody else's says of itself, or why that can't be read."""
        return {entry: entry.declared(self._product.catalogue) for entry in self._collecting if not entry.first_party}

    def _loader(self, entry: Entry) -> Callable[[], object]:
        wrong = self._declarations.get(entry)
        if not isinstance(wrong, ConfigurationError):
            return entry.load

        def refuse() -> object:
            raise RefusedError(str(wrong))

        return refuse

    @cached_property
    def _manager(self) -> "pluggy.PluginManager":
        # Imported here, since `--help`, `--version` and completion load no plugin: 4 ms.
        import pluggy

        from sst_core import hookspecs

        manager = pluggy.PluginManager(hookspecs.NAMESPACE)
        manager.add_hookspecs(hookspecs)
        return manager

    def _null_plugin(self) -> object:
        module, _, attribute = self._product.null_plugin.partition(":")
        from importlib import import_module

        return getattr(import_module(module), attribute)()

    def _register(self, entry: Entry, load: Callable[[], object]) -> None:
        with self._guarded(entry, "loading"):
            if entry.name in self._owners:
                raise RefusedError(f"{self._owners[entry.name]} has that name already")
            self._owners[entry.name] = entry
            try:
                self._take(entry, load())
            except BaseException:
                self._forget(entry)  # pluggy before 1.7 leaves the hooks that came before a bad one
                raise

    def _forget(self, entry: Entry) -> None:
        if self._owners.get(entry.name) is entry:
            self._manager.unregister(name=entry.name)
            del self._owners[entry.name]

    def _take(self, entry: Entry, plugin: object) -> None:
        """Register it. Raises :class:`RefusedError`."""
        import pluggy

        already = self._manager.get_name(plugin)
        if plugin is None or already is not None:
            raise RefusedError(f"it is the same object as '{already}'" if already else "its entry point names None")
        try:
            with self._telling_what_is_deprecated(entry):
                self._manager.register(plugin, name=entry.name)
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            from sst_core.refusals import why_misfit

            raise RefusedError(why_misfit(self._manager, plugin)) from error
        from sst_core.hookspecs import refuse_what_can_not_be_called

        for caller in self._manager.get_hookcallers(plugin) or ():
            for implementation in caller.get_hookimpls():
                if implementation.plugin is plugin:
                    refuse_what_can_not_be_called(implementation, caller.name)

    def _telling_what_is_deprecated(self, entry: Entry) -> AbstractContextManager[None]:
        if not self._show_traceback:
            return nullcontext()
        from sst_core.deprecations import telling_deprecations  # for the author who debugs

        return telling_deprecations(f"{self._product.name}: plugin {entry}")

    def _notify(self, hook: str, arguments: Mapping[str, object]) -> None:
        for entry, tell in self._each(hook, arguments):
            with self._guarded(entry, hook):
                tell()

    def _each(self, hook: str, arguments: Mapping[str, object]) -> "Iterator[tuple[Entry, Callable[[], object]]]":
        """Whose implementations there are, in the order of their calls, and the call of each."""
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook)
        for implementation in reversed(caller.get_hookimpls()):
            handed = _handed(implementation, arguments)
            yield self._owners[implementation.plugin_name], partial(implementation.function, *handed)

    @contextmanager
    def _guarded(self, entry: Entry, where: str) -> Iterator[None]:
        """Run a plugin's code: what it raises ends here, in a line that says who it was and how to do without it."""
        try:
            with kept_apart() as aside:
                yield
            if aside:
                raise aside[0]
        except BaseException as error:  # a plugin may raise anything, SystemExit included
            if not is_interrupt(error):
                self._report(entry, where, error)
                return
            if not entry.first_party:  # it may hang, and this is all that its user ever sees of it
                off = self.switches.how_to_switch_off(entry)
                say(f"{self._product.name}: interrupted in plugin {entry}, {where}; {off}", fit=True)
            raise KeyboardInterrupt from error

    def _report(self, entry: Entry, where: str, error: BaseException) -> None:
        if self._strict:
            what = str(error) if isinstance(error, RefusedError) else traceback.format_exception_only(error)[-1].strip()
            cause = error.__cause__ if isinstance(error, RefusedError) else None
            raise PluginError(printable(f"plugin {entry} failed in {where}: {what}")) from (cause or error)
        if entry in self._collecting and entry.first_party and not self._show_traceback:
            return  # a user's build is never the place to read about telemetry's own failures
        # Only the core's own words: the text of a plugin's exception may hold anything.
        why = str(error) if isinstance(error, RefusedError) else type(error).__name__
        say(f"{self._product.name}: plugin {entry} failed in {where}: {self.refusal(entry, why)}", fit=True)
        if self._show_traceback:
            cause = error.__cause__ if isinstance(error, RefusedError) else None
            say("".join(traceback.format_exception(cause or error)).rstrip())


def _handed(implementation: "pluggy.HookImpl", arguments: Mapping[str, object]) -> list[object]:
    """What `implementation` names: frozen data, and of the settings, which can't be frozen, a copy of its own."""
    return [_its_own(arguments[name]) for name in implementation.argnames]


def _its_own(argument: object) -> object:
    if isinstance(argument, Project):
        return Project(argument.root, argument.provider, deepcopy(argument.settings), argument.settings_file)
    return deepcopy(argument) if isinstance(argument, Mapping) else argument
