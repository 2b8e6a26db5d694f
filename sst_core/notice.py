"""The notice: what a person is told before anything is recorded. It is made of the catalogue's own words."""

import textwrap

from sst_core.catalogue import Catalogue, Field, Section
from sst_core.consent import CollectingPlugin, Consent, Decision
from sst_core.destination import find_destination
from sst_core.terminal import is_terminal, say

WIDTH = 79
"""In characters. The text has at most eight lines of it."""


def notice_text(consent: Consent, unseen: tuple[str, ...], ending: str = "") -> str:
    """All of it the first time; only what is new when the catalogue, or what is installed, has grown."""
    product = consent.product
    first_time = len(unseen) == len(consent.items)
    fields = [field.label for field in _by_interest(product.catalogue) if field.notice_item in unseen]
    new = [other for other in consent.collecting_plugins if any(item in unseen for item in other.notice_items)]
    others = [_told(other, unseen) + (f", to {other.sends_to}" if len(new) == 1 else "") for other in new]
    target = find_destination(product, consent.environ)
    where = target.url or f"it stays on this machine: {target.where.partition(';')[0]}"
    lines = [
        f"To learn what is used, {product.name} records of each run, anonymously, only this:"
        if first_time
        else f"{product.name} would record more than you have seen before, and waits until you have:",
        *_labelled("What", ", ".join(fields)),
        *_labelled("Also", f"plugins that collect too: {', '.join(others)}" if others else "", 1 if fields else 2),
        f"  Where  {where}",
        f"  See    {product.telemetry} show, {product.telemetry} catalog",
        f"  Stop   {product.telemetry} disable, or {product.variable('TELEMETRY_DISABLED')}=1",
        *([ending] if ending else []),
    ]
    return "\n".join(lines)


def show_notice_if_due(consent: Consent, decision: Decision) -> None:
    """Show the notice where somebody, or a CI log, can see it, and note that it was seen.

    If that can't be noted, nothing is shown: a notice that comes every time and changes nothing is only noise.
    """
    try:
        if consent.ci is not None:
            if decision.enabled and decision.unseen and consent.grant_on_notice():
                say(notice_text(consent, decision.unseen, "In CI, recording begins with this run."))
        elif decision.only_notice_missing and is_terminal() and consent.grant_on_notice():
            say(notice_text(consent, decision.unseen, "This run is not recorded; the next ones are."))
    except (OSError, ValueError):
        return


def _told(other: CollectingPlugin, unseen: tuple[str, ...]) -> str:
    """A plugin, and what is new of what it declares."""
    labels = ", ".join(value.label for value in other.unseen_values(unseen))
    return f"{other.distribution} ({labels})" if labels else other.distribution


def _by_interest(catalogue: Catalogue) -> list[Field]:
    """The command first, then the machine, then the ids."""
    sections = (Section.PROPERTIES, Section.ENVIRONMENT, Section.CONTEXT)
    return sorted(catalogue, key=lambda field: sections.index(field.section))


def _labelled(label: str, text: str, lines: int = 2) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=f"  {label:<7}", subsequent_indent=" " * 9, max_lines=lines, placeholder=" …"
    )
