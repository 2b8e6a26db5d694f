"""Switching telemetry on and off for a user. When `disable` returns, no request starts.

No id is on disk then, but those that `forget` has still to ask for.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sst_core import (
    ConfigurationError,
    Consent,
    Decision,
    Locations,
    Source,
    SstError,
    held_if_free,
    is_terminal,
    notice_text,
    printable,
    reason_of,
    say,
)
from sst_telemetry.folder import Folder
from sst_telemetry.leftovers import delete, remove_leftovers
from sst_telemetry.pending import pending_count
from sst_telemetry.queue import Queue
from sst_telemetry.status import how_to_switch_on


@dataclass(frozen=True, slots=True)
class Switched:
    """What a switch changed, and what holds now."""

    changed: bool
    enabled: bool
    still_off: tuple[Source, ...]
    """What turns telemetry off apart from the user's own choice."""
    what: str
    """What was done, in a sentence."""
    next: str
    """What to do where telemetry was to be on and is off; else empty."""
    pending_forget: int | None
    """Ids that `forget` has still to ask for: the only ones that `disable` leaves. None if it can't be known."""

    def as_json(self) -> Mapping[str, object]:
        """For scripts."""
        return {
            "enabled": self.enabled,
            "changed": self.changed,
            "still_off": [
                {"name": source.name, "value": source.value, "where": source.where} for source in self.still_off
            ],
            "what": self.what,
            "pending_forget": self.pending_forget,
        }

    def as_text(self) -> str:
        """For people."""
        lines = [self.what]
        lines += [f"Off by {source.name}: {source.value} ({source.where})" for source in self.still_off]
        lines += [self.next] if self.next else []
        return "\n".join(map(printable, lines))


def enable(consent: Consent) -> Switched:
    """Take the user's *off* back, and count the notice as seen. Raises SstError."""
    try:
        with consent.changing():
            unseen = consent.decide().unseen
            if unseen:  # first, so that whoever is killed here has granted nothing unseen
                _show_notice(consent, unseen)
            consent.grant()
            # Last: whoever is killed before it, or whom the disk refuses something, is still off.
            _, changed = consent.write_user_choice(True)
    except OSError as error:
        raise SstError(f"Your choice can't be saved: {reason_of(error)}. Telemetry stays as it was.") from None
    changed = changed or bool(unseen)
    decision = consent.decide()
    if decision.enabled:
        what = "Telemetry is on." if changed else "Telemetry was on already."
    else:
        what = f"{'Your choice is saved, but telemetry' if changed else 'Telemetry'} is still off."
    off = tuple(source for source in decision.sources if source.off)
    return Switched(changed, decision.enabled, off, what, _next(consent, decision), _pending(consent))


def _next(consent: Consent, decision: Decision) -> str:
    is_left_to_notice = decision.enabled or decision.only_notice_missing
    return "" if is_left_to_notice else how_to_switch_on(decision, consent.product.telemetry)


def _show_notice(consent: Consent, unseen: Sequence[str]) -> None:
    if not is_terminal(sys.stderr):
        say("Nobody has seen this notice yet; enabling counts as having seen it.")
    say(notice_text(consent, unseen))


def disable(consent: Consent) -> Switched:
    """Write the user's *off*, end a running sender, and delete all that was kept. Raises SstError.

    What can't be saved does not keep the rest from being deleted.
    """
    unsaved: OSError | None = None
    aside: Path | None = None
    changed = False
    try:
        aside, changed = consent.write_user_choice(False)
    except OSError as error:
        unsaved = error
    try:
        changed = _withdraw(consent, saved=unsaved is None) or changed
    except OSError as error:
        saved = "Your choice is saved" if unsaved is None else f"Your choice can't be saved ({reason_of(unsaved)})"
        raise SstError(
            f"{saved}, but what was recorded can't be deleted: {reason_of(error)}. Delete it by hand."
        ) from None
    if unsaved is not None:
        variable = consent.product.variable("TELEMETRY_DISABLED")
        raise SstError(
            f"Your choice can't be saved: {reason_of(unsaved)}. What was recorded is deleted; {variable}=1 in the "
            "environment keeps telemetry off."
        )
    off = tuple(source for source in consent.decide().sources if source.off and source.name not in ("user", "notice"))
    pending, telemetry = _pending(consent), consent.product.telemetry
    what = ["Telemetry is off." if changed else "Telemetry was off already."]
    if pending is None:
        what += [f"Kept is what `{telemetry} forget` has still to ask for: `{telemetry}` says why it can't be read."]
    elif pending:
        what += [f"Kept are {pending} ids for which `{telemetry} forget` has still to ask."]
    if changed:
        what += [f"What was recorded, and every {'id' if pending == 0 else 'other id'}, is deleted."]
    if aside is not None:
        what += [f"A configuration that can't be used was there, which is now {aside}."]
    return Switched(changed, False, off, " ".join(what), "", pending)


def _withdraw(consent: Consent, *, saved: bool) -> bool:
    """End a running sender and delete all that consent allowed to be kept; return whether there was something."""
    locations = consent.locations
    if not locations.state.exists():
        return False
    _end_sender(locations)
    with consent.changing():
        # Again, now that nobody else is at it: whoever takes the lock last decides.
        if saved:
            consent.write_user_choice(False)
        deleted = delete(locations.telemetry)
        remove_leftovers(locations)
        return deleted


def choose_for_project(consent: Consent, enabled: bool) -> Switched:
    """Write the team's choice into `sst.toml`. Raises SstError."""
    try:
        path, changed = consent.write_project_choice(enabled)
    except OSError as error:
        raise SstError(f"The project's choice can't be saved: {reason_of(error)}.") from None
    decision = consent.decide()
    off = tuple(source for source in decision.sources if source.off and (enabled or source.where != str(path)))
    what = _what_of_project(path, enabled, changed)
    what += f" Here, telemetry is {'on' if decision.enabled else 'off'}."
    following = _next(consent, decision) if enabled else ""
    return Switched(changed, decision.enabled, off, what, following, _pending(consent))


def _what_of_project(path: Path, enabled: bool, changed: bool) -> str:
    if changed and not path.exists():
        return f"{path} is deleted: nothing but enabled = false was in it. Commit that, so that it holds for the team."
    holds = f"{path} {'does not say' if enabled else 'says'} enabled = false"
    return f"{holds}. Commit it, so that it holds for the team." if changed else f"{holds}; nothing was to be changed."


def _pending(consent: Consent) -> int | None:
    try:
        locations = consent.locations
    except ConfigurationError:  # a project's choice needs no home folder
        return 0
    try:
        return pending_count(locations)
    except ConfigurationError:
        return None


def purge(consent: Consent) -> int:
    """Delete what is queued, what was set aside and the last batch; return how many runs that were. Raises SstError."""
    try:
        locations = consent.locations
        if not locations.state.exists():
            return 0
        with consent.changing():
            waiting = len(Queue(locations.queue).waiting())
            folder = Folder(locations.telemetry)
            for path in (locations.queue, folder.set_aside, folder.last_batch):
                delete(path)
            remove_leftovers(locations)
            if locations.telemetry.is_dir():
                locations.queue.mkdir(mode=0o700, exist_ok=True)  # a command may have been faster
    except OSError as error:
        raise SstError(f"What is queued can't be deleted: {reason_of(error)}.") from None
    return waiting


def _end_sender(locations: Locations) -> None:
    """End the process that holds the lock, if it sends. It is safe at any point: nothing is queued any more."""
    if not locations.lock.exists() or not hasattr(signal, "SIGKILL"):
        return
    with held_if_free(locations.lock) as free:
        content = b"" if free is not None else locations.lock.read_bytes()
    if content.isdigit() and _has_open(int(content), locations.lock):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(int(content), signal.SIGKILL)


def _has_open(process: int, lock: Path) -> bool:
    """Whether that process has the lock open, and is not one that was given the number of a sender long gone.

    Where the system doesn't say, it is left to its own end: whoever holds the lock lives for a minute at most.
    """
    try:
        return any(entry.samefile(lock) for entry in Path(f"/proc/{process}/fd").iterdir())
    except OSError:
        return False
