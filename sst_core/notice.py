"""The notice: what a person is told before anything is recorded. It is made of the catalogue's own words."""

import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sst_core.catalogue import Catalogue, Field, Section
from sst_core.consent import Consent, Decision
from sst_core.destination import find_destination
from sst_core.terminal import is_terminal, leads_nowhere, say
from sst_core.width import columns, fitted

if TYPE_CHECKING:
    from sst_core.declaration import CollectingPlugin

WIDTH = 79
"""In characters."""
NARROWEST = 20
"""However narrow the terminal is: a label and a word fit."""
LINES = 8
"""Lines, at most, on a terminal of 79 columns. What does not fit is shown by the next command; a narrower terminal
wraps these lines into more."""
_ENDING = "This run is not recorded; the next ones are."


def notice_text(consent: Consent, unseen: Sequence[str], ending: str = "") -> str:
    """All of it the first time; only what is new when the catalogue, or what is installed, has grown.

    `ending` is its last line: what becomes of this run. Without one it is the lines of facts alone.
    """
    return _on_screen(consent, unseen, [_plugin_line(other, unseen) for other in _new(consent, unseen)], ending)


def show_notice(consent: Consent, decision: Decision) -> bool:
    """Show the notice that is due where somebody, or a CI log, can see it, note what was seen of it, and return whether
    this run may be recorded: in CI, where it is in the log.

    If that can't be noted, nothing is shown: a notice that comes every time and changes nothing is only noise.
    """
    try:
        if consent.ci is not None:
            if leads_nowhere(sys.stderr):
                return False
            text = notice_text(consent, decision.unseen, "In CI, recording begins with this run.")
            return consent.grant_on_notice((), lambda: say(text))
        if is_terminal(sys.stderr):
            text, items = what_fits(consent, decision.unseen)
            if items:
                consent.grant_on_notice(items, lambda: say(text))
    except (OSError, ValueError):
        pass
    return False


def what_fits(consent: Consent, unseen: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The notice within its lines, and the items that it names: to what was not named, nobody has agreed."""
    lines: list[str] = []
    left: list[CollectingPlugin] = []
    for other in _new(consent, unseen):
        forms = (_plugin_line(other, unseen), _short_plugin_line(other, unseen))
        words = next((each for each in forms if _fits(consent, unseen, [*lines, each])), None)
        if words is None:
            left.append(other)
        else:
            lines.append(words)
    ending = _ENDING
    if left:
        more = any(_fits(consent, other.notice_items, [_short_plugin_line(other, unseen)]) for other in left)
        enable = f"Nothing is recorded yet: `{consent.product.telemetry} enable` shows what has no room here."
        ending = "Nothing is recorded yet: there is more to tell." if more else enable
    untold = {item for other in left for item in other.notice_items}
    return _on_screen(consent, unseen, lines, ending), tuple(item for item in unseen if item not in untold)


def _fits(consent: Consent, unseen: Sequence[str], plugins: Sequence[str]) -> bool:
    return len(_text(consent, unseen, plugins, _ENDING, WIDTH).splitlines()) <= LINES


def _on_screen(consent: Consent, unseen: Sequence[str], plugins: Sequence[str], ending: str) -> str:
    if not is_terminal(sys.stderr):
        return _text(consent, unseen, plugins, ending, WIDTH)
    width = max(NARROWEST, min(WIDTH, columns(sys.stderr)))
    return fitted(_text(consent, unseen, plugins, ending, width), sys.stderr)


def _text(consent: Consent, unseen: Sequence[str], plugins: Sequence[str], ending: str, width: int) -> str:
    product = consent.product
    first_time = len(unseen) == len(consent.items)
    fields = [field.label for field in _by_interest(product.catalogue) if field.notice_item in unseen]
    lines = [
        f"To learn what is used, {product.name} records of each run, anonymously, only this:"
        if first_time
        else f"{product.name} would record more than you have seen before, and waits until you have:",
        *_labelled("What", ", ".join(fields), width),
        *_labelled("Also", f"plugins that collect too: {'; '.join(plugins)}" if plugins else "", width),
        *_where(consent, unseen, has_others=bool(plugins)),
        f"  See    {product.telemetry} show, {product.telemetry} catalog",
        f"  Stop   {product.telemetry} disable, or {product.variable('TELEMETRY_DISABLED')}=1",
        *([ending] if ending else []),
    ]
    return "\n".join(lines)


def _where(consent: Consent, unseen: Sequence[str], *, has_others: bool) -> list[str]:
    """Where the program's own goes, if any of it is new. Of others, it stands beside each."""
    if not set(unseen).difference(*(other.notice_items for other in consent.collecting_plugins)):
        return []
    target = find_destination(consent.product, consent.environ)
    own = f"{consent.product.name}'s own"
    if target.url:
        return [f"  Where  {target.url}{f' ({own})' if has_others else ''}"]
    return [f"  Where  {own if has_others else 'it'} stays on this machine: {target.where.partition(';')[0]}"]


def _new(consent: Consent, unseen: Sequence[str]) -> "list[CollectingPlugin]":
    return [other for other in consent.collecting_plugins if any(item in unseen for item in other.notice_items)]


def _plugin_line(other: "CollectingPlugin", unseen: Sequence[str]) -> str:
    """A plugin, what is new of what it declares, and where that goes."""
    labels = ", ".join(value.label for value in other.unseen_values(unseen))
    return f"{other.distribution} ({labels}), to {other.sends_to}" if labels else _without_values(other)


def _short_plugin_line(other: "CollectingPlugin", unseen: Sequence[str]) -> str:
    """The same, of a plugin that declares more than there is room for: the catalogue has it."""
    count = len(other.unseen_values(unseen))
    more = f"{other.distribution} ({count} values, which `catalog` lists), to {other.sends_to}"
    return more if count else _without_values(other)


def _without_values(other: "CollectingPlugin") -> str:
    return f"{other.distribution}, to {other.sends_to}"


def _by_interest(catalogue: Catalogue) -> list[Field]:
    """The command first, then the machine, then the ids."""
    sections = (Section.PROPERTIES, Section.ENVIRONMENT, Section.CONTEXT)
    return sorted(catalogue, key=lambda field: sections.index(field.section))


def _labelled(label: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=f"  {label:<7}", subsequent_indent=" " * 9)
