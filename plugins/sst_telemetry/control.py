"""Switching telemetry on and off for a user. When `disable` returns, no request starts and no id is on disk."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sst_core import Consent, Locations, Source, SstError, held_if_free, notice_text, say
from sst_telemetry.forget import pending_ids
from sst_telemetry.queue import Queue


@dataclass(frozen=True, slots=True)
class Change:
    """What a switch changed, and what holds now."""

    changed: bool
    enabled: bool
    still_off: tuple[Source, ...]
    """What turns telemetry off apart from the user's own choice."""
    what: str
    """What was done, in a sentence."""

    def as_json(self) -> Mapping[str, object]:
        """For scripts."""
        return {
            "enabled": self.enabled,
            "changed": self.changed,
            "still_off": [
                {"name": source.name, "value": source.value, "where": source.where} for source in self.still_off
            ],
        }

    def as_text(self) -> str:
        """For people."""
        lines = [self.what]
        lines += [f"It is also off by {source.name}: {source.value} ({source.where})" for source in self.still_off]
        return "\n".join(lines)


def enable(consent: Consent) -> Change:
    """Take the user's *off* back, and count the notice as seen. Raises SstError."""
    unseen = consent.decide().unseen
    try:
        with consent.changing():
            changed = consent.write_user_choice(True)
            consent.grant()
    except OSError as error:
        raise SstError(f"Your choice can't be saved: {error}. Telemetry stays as it was.") from None
    if unseen:
        if not sys.stderr.isatty():
            say("Nobody has seen this notice yet; enabling counts as having seen it.")
        say(notice_text(consent, unseen))
    decision = consent.decide()
    off = tuple(source for source in decision.sources if source.off)
    what = "Telemetry is on." if decision.enabled else "Your choice is saved, but telemetry stays off."
    return Change(changed or bool(unseen), decision.enabled, off, what)


def disable(consent: Consent) -> Change:
    """Write the user's *off*, end a running sender, and delete all that was kept. Raises SstError."""
    try:
        locations = consent.locations
        changed = consent.write_user_choice(False)
        _end_sender(locations)
        with consent.changing():
            # Again, now that nobody else is at it: whoever takes the lock last decides.
            changed = consent.write_user_choice(False) or changed
            changed = _delete(locations.telemetry) or changed
    except OSError as error:
        raise SstError(
            f"Your choice can't be saved: {error}. "
            f"{consent.product.variable('TELEMETRY_DISABLED')}=1 in the environment switches telemetry off too."
        ) from None
    off = tuple(source for source in consent.decide().sources if source.off and source.name not in ("user", "notice"))
    what = "Telemetry is off. What was recorded, and every id, is deleted." if changed else "Telemetry was off already."
    pending = len(pending_ids(locations))
    if pending:
        what += f" Kept are {pending} ids for which `{consent.product.name} telemetry forget` has still to ask."
    return Change(changed, False, off, what)


def choose_for_project(consent: Consent, enabled: bool) -> Change:
    """Write the team's choice into `sst.toml`. Raises SstError."""
    try:
        path, changed = consent.write_project_choice(enabled)
    except OSError as error:
        raise SstError(f"The project's choice can't be saved: {error}.") from None
    decision = consent.decide()
    off = tuple(source for source in decision.sources if source.off and source.where != str(path))
    holds = f"{path} {'does not say' if enabled else 'says'} enabled = false"
    what = f"{holds}. Commit it, so that it holds for the team." if changed else f"{holds}; nothing was to be changed."
    return Change(changed, decision.enabled, off, what)


def purge(consent: Consent) -> int:
    """Delete what is queued, what was set aside and the last batch; return how many runs that were. Raises SstError."""
    try:
        locations = consent.locations
        with consent.changing():
            waiting = Queue(locations.queue).waiting()
            for path in waiting:
                path.unlink(missing_ok=True)
            (locations.telemetry / "last-batch.ndjson").unlink(missing_ok=True)
            shutil.rmtree(locations.telemetry / "set-aside", ignore_errors=True)
    except OSError as error:
        raise SstError(f"What is queued can't be deleted: {error}.") from None
    return len(waiting)


def _end_sender(locations: Locations) -> None:
    """End the sender that holds the lock, if one does. It is safe at any point: nothing is queued any more."""
    if not locations.lock.exists() or not hasattr(signal, "SIGKILL"):
        return
    with held_if_free(locations.lock) as free:
        if free:
            return
        content = locations.lock.read_bytes()
    if content.isdigit() and _is_sender(int(content)):
        try:
            os.kill(int(content), signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return


def _is_sender(process: int) -> bool:
    """Whether that process is a sender, and not one that was given the number of a sender long gone.

    Where the system doesn't say what a process runs, it is left to its own end: a sender lives for seconds.
    """
    try:
        return b"sst_telemetry.sender" in Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def _delete(folder: Path) -> bool:
    """Delete `folder`, and return whether it was there. It is gone under its name at once, then piece by piece."""
    doomed = f".{folder.name}-deleted-"
    with suppress(FileNotFoundError):
        folder.rename(folder.with_name(f"{doomed}{os.getpid()}-{time.time_ns()}"))
    # All of them: whoever renamed one may have been killed before it was gone.
    leftovers = list(folder.parent.glob(f"{doomed}*"))
    for leftover in leftovers:
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()
    return bool(leftovers)
