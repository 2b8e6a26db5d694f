"""Whether anything may be recorded. Any *off* wins, what can't be read is an *off*, and nothing overrides one.

The sources are asked every time, all of them, so that a user can be shown each with its value and its place.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sst_core.configuration import (
    misspelt_telemetry,
    read_toml,
    set_aside_for_off,
    telemetry_in,
    write_telemetry_enabled,
)
from sst_core.environment import is_set, misspelt_disabled
from sst_core.errors import ConfigurationError
from sst_core.files import ForeignFileError, make_private_folder, private_draft, read_own
from sst_core.locations import Locations, policy_file, require_folder, settings_files, working_folder
from sst_core.product import Product
from sst_core.records import Record

if TYPE_CHECKING:
    from sst_core.declaration import CollectingPlugin

NOTICE_SECONDS = 0.2
"""How long a command that is about to show the notice waits for the lock, at most: others may be showing it too."""
LOCK_SECONDS = 90.0
"""How long a change of consent waits for the lock: longer than whoever may hold it lives."""
KEPT_BYTES = 1 << 18
"""Bytes of notice items kept for this user's other installations (other plugins or versions): about a thousand lines,
well under what `read_own` accepts."""


class Source(Record):
    """One thing that can turn telemetry off."""

    name: str
    off: bool
    value: str
    """What was found there, in words."""
    where: str
    """Where it was read: a variable or a path."""
    answered: bool = False
    """Whether a file's `enabled` says *off*, which `enable` writes anew. Any other *off* of a file is to be mended."""


class Decision(Record):
    """The answer, and all that it rests on."""

    sources: tuple[Source, ...]
    unseen: tuple[str, ...]
    """The notice items that the user has not seen yet."""

    @property
    def enabled(self) -> bool:
        """Whether this run may be recorded."""
        return not any(source.off for source in self.sources)

    @property
    def only_notice_missing(self) -> bool:
        """Whether nothing but the unseen notice keeps telemetry off."""
        return [source.name for source in self.sources if source.off] == ["notice"]

    @property
    def notice_is_due(self) -> bool:
        """Whether there is something to show to a user who has turned nothing off."""
        return bool(self.unseen) and (self.enabled or self.only_notice_missing)


class Consent(Record):
    """Reads and changes one user's consent to one product."""

    product: Product
    environ: Mapping[str, str]
    folder: Path | None
    """The working directory at the start, from which `sst.toml` is looked for upward, as it is from that of the moment:
    a program's callback may have changed it. None where no project is to be asked, as by a sender."""
    ci: str | None
    folder_is_gone: bool = False
    """Whether the working directory had been deleted at the start: nobody can say what was in it and above it."""
    switched_off: str = ""
    """How a variable that names plugins switches the collecting one off, in words; empty where it doesn't."""
    collecting_plugins: "tuple[CollectingPlugin, ...]" = ()
    """The other distributions whose plugins collect."""

    @property
    def items(self) -> tuple[str, ...]:
        """All that the notice has to name."""
        default = self.product.default_collector
        return (
            *(field.notice_item for field in self.product.catalogue),
            *([f"to {default}"] if default else []),
            *(item for other in self.collecting_plugins for item in other.notice_items),
        )

    @property
    def locations(self) -> Locations:
        """Where consent is kept. Raises :class:`ConfigurationError` when there is no home folder."""
        return Locations.of(self.product, self.environ)

    def decide(self) -> Decision:
        """Ask every source. Never raises, and writes nothing."""
        unseen = self._unseen()
        return Decision(
            sources=(
                *self._variables(),
                *self._projects(),
                self._user(),
                self._machine(),
                self._notice(unseen),
            ),
            unseen=unseen,
        )

    def grant(self) -> None:
        """Note that all items have been seen, and make the folder that recorded runs may be kept in. What was seen
        before stays so, in other installations too.

        Raises OSError, and :class:`ConfigurationError` where there is no home folder.
        """
        self._grant(self.items, lambda: True)

    def grant_on_notice(self, seen: Collection[str], show: Callable[[], bool]) -> bool:
        """Have `show` show the notice, grant what was seen, and return whether both were done.

        `show` says whether the notice, which names `seen`, is there to be read. It is not called where nothing can be
        noted, and nothing is granted before it has returned: whoever is killed meanwhile is told again. In CI nobody
        sees anything, so nothing is noted. Hardly waits for the lock: whoever holds it for longer may be withdrawing
        consent, and a command is not the place to find out.

        Raises OSError, and :class:`ConfigurationError` where there is no home folder.
        """
        if self.ci is not None:
            return self._make_queue_in_ci() and show()
        with self._held(NOTICE_SECONDS):  # while it is shown, too: of two terminals, one shows it
            return self.decide().only_notice_missing and self._grant(seen, show)

    def _make_queue_in_ci(self) -> bool:
        """Make the folder that recorded runs may be kept in, if consent stands, and return whether it is there."""
        if self.locations.queue.is_dir():
            return True
        with self._held(NOTICE_SECONDS):
            enabled = self.decide().enabled
            if enabled:
                self._make_queue()
            return enabled

    def _grant(self, seen: Collection[str], show: Callable[[], bool]) -> bool:
        items, before = self.items, self._seen()
        self._make_queue()
        own = [item for item in items if item in seen or item in before]
        others = _newest([line for line in before if line and line not in items])
        with private_draft(self.locations.seen, "".join(f"{item}\n" for item in (*others, *own)).encode()) as draft:
            if not show():
                return False
            draft.replace(self.locations.seen)
        return True

    def write_user_choice(self, enabled: bool) -> tuple[Path | None, bool]:
        """Write the user's choice, and return what was set aside for it, if anything, and whether it was changed.

        A configuration that can't be read already means *off*; to keep it so once it is mended it is set aside and a
        new one is written. Raises OSError, and :class:`ConfigurationError` where there is no home folder, or where
        `enabled` and it can't be read.
        """
        path = self.locations.config_file
        try:
            return None, write_telemetry_enabled(path, enabled)
        except ConfigurationError:
            if enabled:
                raise
            return set_aside_for_off(path), True

    def write_project_choice(self, enabled: bool) -> tuple[Path, bool]:
        """Write the team's choice into the nearest `sst.toml`, and return its path and whether that changed it.

        Where there is none, one is made in the working directory. Raises OSError and :class:`ConfigurationError`.
        """
        folder = require_folder(working_folder())
        path = next(settings_files(self.product, folder), folder / self.product.settings_name)
        # A new one is for the whole team, unlike what is the user's own.
        return path, write_telemetry_enabled(path, enabled, new_mode=0o644)

    @contextmanager
    def changing(self) -> Iterator[int]:
        """Hold the lock that keeps senders, and other changes of consent, out. Yields its file descriptor.

        Waits for it, for longer than a sender lives, and tells a person so. Raises OSError, and
        :class:`ConfigurationError` where there is no home folder.
        """
        from sst_core.timeline import waiting  # most commands change nothing

        with ExitStack() as stack:
            with waiting("Waiting for a sender or another change to end."):
                descriptor = stack.enter_context(self._held(LOCK_SECONDS))
            yield descriptor

    def _held(self, seconds: float) -> AbstractContextManager[int]:
        from sst_core.locks import held  # most commands change nothing

        make_private_folder(self.locations.state)
        return held(self.locations.lock, seconds)

    def _make_queue(self) -> None:
        make_private_folder(self.locations.queue)

    def _variables(self) -> Iterator[Source]:
        for variable in (self.product.variable("TELEMETRY_DISABLED"), "DO_NOT_TRACK"):
            value = self.environ.get(variable)
            # Only whether it is set to something, and not what to: a value may be anything, and this is printed.
            words = "not set" if value is None else "set" if is_set(value) else "set to no"
            yield Source("environment", is_set(value), words, variable)
        meant = f"is not known, and {self.product.variable('TELEMETRY_DISABLED')} may be meant"
        for variable in misspelt_disabled(self.environ, self.product.variable):
            yield Source("environment", True, meant, variable)
        debugging = self.product.variable("TELEMETRY_DEBUG")
        if is_set(self.environ.get(debugging)):
            yield Source("environment", False, "set: runs are printed and not recorded", debugging)
        yield Source(
            "plugins",
            self.switched_off != "",
            self.switched_off or "not switched off",
            self.product.variable("DISABLE_PLUGINS"),
        )

    def _projects(self) -> Iterator[Source]:
        if self.folder_is_gone:
            why = f"deleted, so no {self.product.settings_name} in it or above can be asked"
            yield Source("folder", True, why, "the working directory")
        if self.folder is None:
            return
        folders = (working_folder() or self.folder, self.folder)
        # Of two folders below one, what lies above both is asked once.
        found = dict.fromkeys(
            path for folder in dict.fromkeys(folders) for path in settings_files(self.product, folder)
        )
        for path in found:
            yield _file_source("project", path, foreign_counts=False)
        if not found:
            yield Source("project", False, f"no {self.product.settings_name} here or above", str(self.folder))

    def _user(self) -> Source:
        try:
            return _file_source("user", self.locations.config_file)
        except ConfigurationError as error:
            return Source("user", True, str(error), "HOME")

    def _machine(self) -> Source:
        return _file_source("machine", policy_file(self.product))

    def _notice(self, unseen: Iterable[str]) -> Source:
        try:
            where = str(self.locations.seen)
        except ConfigurationError as error:
            return Source("notice", True, str(error), "HOME")
        if not unseen:
            return Source("notice", False, "seen", where)
        if self.ci is not None:
            return Source("notice", False, "shown in the log of every CI run", where)
        return Source("notice", True, self._why_unseen(), where)

    def _why_unseen(self) -> str:
        try:
            read_own(self.locations.seen)
        except ConfigurationError as error:
            return str(error)
        return "not seen on a terminal yet"

    def _unseen(self) -> tuple[str, ...]:
        seen = self._seen()
        return tuple(item for item in self.items if item not in seen)

    def _seen(self) -> Collection[str]:
        """All that was noted, the oldest first; nothing where that can't be trusted."""
        try:
            content = read_own(self.locations.seen) or b""
        except ConfigurationError:
            return ()
        return dict.fromkeys(content.decode(errors="replace").splitlines())


def _newest(lines: list[str]) -> list[str]:
    """As many of the last as there is room for."""
    room = KEPT_BYTES
    for position in range(len(lines) - 1, -1, -1):
        room -= len(lines[position].encode()) + 1
        if room < 0:
            return lines[position + 1 :]
    return lines


def _file_source(name: str, path: Path, *, foreign_counts: bool = True) -> Source:
    """What the file's `[telemetry] enabled` says. What can't be read is an *off*, and what nobody reads since it is
    misspelt; a stranger's project file is not."""
    try:
        settings = read_toml(path) or {}
        enabled = telemetry_in(path, settings).get("enabled", True)
    except ForeignFileError as error:
        return Source(name, foreign_counts, str(error), str(path))
    except ConfigurationError as error:
        return Source(name, True, str(error), str(path))
    if not isinstance(enabled, bool):
        return Source(name, True, "[telemetry] enabled is neither true nor false", str(path), answered=True)
    if not enabled:
        return Source(name, True, "enabled = false", str(path), answered=True)
    misspelt = misspelt_telemetry(settings)
    return Source(name, misspelt is not None, misspelt or "no objection", str(path))
