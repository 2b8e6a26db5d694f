"""The notice: what a person is told before anything is recorded."""

import sys

from sst_core.consent import Consent, Decision
from sst_core.destination import find_destination
from sst_core.plugins import say


def notice_text(consent: Consent, unseen: tuple[str, ...]) -> str:
    """The text, at most eight lines: all of it the first time, only what is new when the catalogue has grown."""
    product = consent.product
    name = product.name
    target = find_destination(product, consent.environ)
    where = target.url or f"it stays on this machine: {target.where}"
    first_time = len(unseen) == len(consent.items)
    lines = [
        f"{name} records which command is run, its version and general machine information. Nothing else, anonymously."
        if first_time
        else f"{name} would record something new: {', '.join(unseen)}.",
        "  Why    it shows the maintainers what is used, and what can be improved or retired",
        f"  Where  {where}",
        f"  See    {name} {product.telemetry_command} show",
        f"  Stop   {name} {product.telemetry_command} disable, or {product.variable('TELEMETRY_DISABLED')}=1",
    ]
    others = [item.removeprefix("plugin:") for item in unseen if item.startswith("plugin:")]
    if others and first_time:
        lines.append(f"  Also   these plugins collect something of their own: {', '.join(others)}")
    lines.append("This run in CI is recorded." if consent.ci else "This run is not recorded; the next ones are.")
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
