"""The notice: what a person is told before anything is recorded."""

import sys

from sst_core.consent import Consent, Decision
from sst_core.destination import find_destination
from sst_core.plugins import say

MAX_NEW = 3
"""So many new things are named, each on a line; the notice has at most eight."""


def notice_text(consent: Consent, unseen: tuple[str, ...]) -> str:
    """All of it the first time; only what is new when the catalogue, or what is installed, has grown."""
    product = consent.product
    first_time = len(unseen) == len(consent.items)
    lines = [
        *(_all(consent) if first_time else _new(consent, unseen)),
        f"  See    {product.name} {product.telemetry_command} show, and {product.telemetry_command} catalog",
        f"  Stop   {product.name} {product.telemetry_command} disable, or {product.variable('TELEMETRY_DISABLED')}=1",
        "This run in CI is recorded." if consent.ci else "This run is not recorded; the next ones are.",
    ]
    return "\n".join(lines)


def show_notice_if_due(consent: Consent, decision: Decision) -> None:
    """Show the notice where somebody, or a CI log, can see it, and note that it was seen.

    If that can't be noted, nothing is shown: a notice that comes every time and changes nothing is only noise.
    """
    try:
        if consent.ci is not None:
            if decision.enabled and decision.unseen:
                consent.grant_in_ci()
                say(notice_text(consent, decision.unseen))
        elif decision.only_notice_missing and sys.stderr is not None and sys.stderr.isatty():
            consent.grant()
            say(notice_text(consent, decision.unseen))
    except (OSError, ValueError):
        return


def _all(consent: Consent) -> list[str]:
    target = find_destination(consent.product, consent.environ)
    others = "; ".join(f"{other.distribution}, to {other.sends_to}" for other in consent.collectors)
    return [
        f"{consent.product.name} records which command is run, its version and general machine information. "
        "Nothing else, anonymously.",
        "  Why    it shows the maintainers what is used, and what can be improved or retired",
        f"  Where  {target.url or f'it stays on this machine: {target.where}'}",
        *([f"  Also   these plugins collect something of their own: {others}"] if others else []),
    ]


def _new(consent: Consent, unseen: tuple[str, ...]) -> list[str]:
    fields = {field.notice_item: f"  New    {field.key}: {field.purpose}" for field in consent.product.catalogue}
    others = {
        other.notice_item: f"  New    plugin {other.distribution} collects something of its own, to {other.sends_to}"
        for other in consent.collectors
    }
    news = [line for item, line in {**fields, **others}.items() if item in unseen]
    more = [f"  New    and {len(news) - MAX_NEW} more"] if len(news) > MAX_NEW else []
    return [f"{consent.product.name} would record more than you have seen before.", *news[:MAX_NEW], *more]
