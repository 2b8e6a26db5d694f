"""The audit of a catalogue: `python -m sst_core.audit module:attribute` fails when a field's review has expired.

A release and CI run it. The tests don't: an old tag has to pass its tests for ever.
"""

import sys
from datetime import UTC, date, datetime, timedelta

from sst_core.catalogue import Catalogue, Field
from sst_core.errors import ExitCode
from sst_core.product import Product
from sst_core.records import Record

NOTICE_PERIOD = timedelta(days=31)
"""How long before it expires a review is announced as due."""


class Audit(Record):
    """The state of a catalogue's reviews on a day."""

    expired: tuple[Field, ...]
    due: tuple[Field, ...]
    """Expiring within the notice period."""

    @property
    def passed(self) -> bool:
        """Whether nothing has expired."""
        return not self.expired


def audit(catalogue: Catalogue, today: date) -> Audit:
    """Look at every field. Raises ValueError for a date that is none."""
    expired = tuple(field for field in catalogue if date.fromisoformat(field.expires) <= today)
    due = tuple(
        field
        for field in catalogue
        if field not in expired and date.fromisoformat(field.expires) <= today + NOTICE_PERIOD
    )
    return Audit(expired, due)


def main(target: str, today: date) -> int:
    """Print the audit of the Product at `target` and return the exit code."""
    product = Product.at(target)
    found = audit(product.catalogue, today)
    for field in found.expired:
        print(f"expired {field.expires}: {field.key}, last reviewed {field.reviewed} by {field.reviewer}")
    for field in found.due:
        print(f"due     {field.expires}: {field.key}, last reviewed {field.reviewed} by {field.reviewer}")
    fields = product.catalogue.fields
    print(f"{len(fields)} fields on {today}: {len(found.expired)} expired, {len(found.due)} due within a month.")
    if found.expired:
        print("Review each: is it still needed, still allowed by the page, still this coarse? Then date it anew.")
    return ExitCode.OK if found.passed else ExitCode.FAILURE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], datetime.now(UTC).date()))
