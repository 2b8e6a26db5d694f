"""What is installed, and which of it a command would import: told without importing any of it."""

from collections.abc import Iterator
from enum import Enum

from sst_core.commands import why_ignored
from sst_core.consent import Consent
from sst_core.entry_points import Entry, installed
from sst_core.invocation import Session
from sst_core.records import Record


class State(Enum):
    """What became of a plugin."""

    LOADED = "loaded"
    SWITCHED_OFF = "switched_off"
    """By a variable, and not imported."""
    REPLACED = "replaced"
    """It collects something and may not: the null plugin stands in its place, and it is not imported."""
    COMMAND = "command"
    """Imported when the command is run."""
    FAILED = "failed"


class Surveyed(Record):
    """One entry point, before it is imported."""

    entry: Entry
    kind: str
    """`commands`, `plugins` or `telemetry`: the group, without the product's name."""
    state: State
    """`LOADED` for what a command would import."""
    why: str
    """Of every other state."""


def survey(session: Session) -> tuple[Surveyed, ...]:
    """Every plugin, and every command of a plugin: the product's own commands are none."""
    product = session.context.product
    found = installed(product)
    off = why_off(session.consent)
    owners = _owners(session, (*found.plugins, *found.telemetry))
    return (
        *(_plugin(session, entry, "plugins", "", owners) for entry in found.plugins),
        *(_plugin(session, entry, "telemetry", off, owners) for entry in found.telemetry),
        *_commands(session, found.commands),
    )


def why_off(consent: Consent) -> str:
    """What keeps collecting plugins from being imported; empty if nothing does."""
    off = [f"{source.name}: {source.value} ({source.where})" for source in consent.decide().sources if source.off]
    return f"telemetry is off; {'; '.join(off)}" if off else ""


def _owners(session: Session, entries: tuple[Entry, ...]) -> dict[str, Entry]:
    """Whose each name is: the first that is registered under it, and the product's own are before all others."""
    owners: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda entry: not entry.first_party):
        if not session.plugins.switches.is_off(entry):
            owners.setdefault(entry.name, entry)
    return owners


def _plugin(session: Session, entry: Entry, kind: str, off: str, owners: dict[str, Entry]) -> Surveyed:
    why = session.plugins.switches.why_off(entry)
    if why:
        return Surveyed(entry, kind, State.SWITCHED_OFF, why)
    owner = owners[entry.name]
    if owner is not entry:
        return Surveyed(entry, kind, State.FAILED, f"plugin {owner} has that name already")
    if off:
        return Surveyed(entry, kind, State.REPLACED, off)
    return Surveyed(entry, kind, State.LOADED, "")


def _commands(session: Session, entries: tuple[Entry, ...]) -> Iterator[Surveyed]:
    owners: dict[str, Entry] = {}
    for entry in entries:
        why = session.plugins.switches.why_off(entry)
        if why:
            yield Surveyed(entry, "commands", State.SWITCHED_OFF, why)
            continue
        why = why_ignored(entry, owners)
        owner = owners.get(entry.name)
        if owner is not None:
            whose = "the program's own" if owner.first_party else f"that of plugin {owner}"
            why = f"{why}: the command is {whose}"
        if why:
            yield Surveyed(entry, "commands", State.FAILED, why)
            continue
        owners[entry.name] = entry
        if not entry.first_party:
            yield Surveyed(entry, "commands", State.COMMAND, "imported when it is run")
