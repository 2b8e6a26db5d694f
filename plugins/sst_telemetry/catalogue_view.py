"""`sst telemetry catalog`: everything that may be recorded, and why that is allowed."""

from collections.abc import Mapping

from sst_core import Catalogue, Field


def catalogue_as_json(catalogue: Catalogue) -> list[Mapping[str, object]]:
    """One object for each field, in the order of the catalogue."""
    return [
        {
            "key": field.key,
            "section": field.section.value,
            "values": field.kind.describe(),
            "optional": field.optional,
            "taken": field.moment.value,
            "dimension": field.dimension,
            "purpose": field.purpose,
            "sentence": field.sentence,
            "exception": field.exception,
            "revision": field.revision,
            "reviewer": field.reviewer,
            "reviewed": field.reviewed,
            "expires": field.expires,
        }
        for field in catalogue
    ]


def catalogue_as_text(catalogue: Catalogue) -> str:
    """For people."""
    return "\n\n".join(_field_as_text(field) for field in catalogue)


def _field_as_text(field: Field) -> str:
    allowed = f'the page says: "{field.sentence}"' if field.sentence else f"not on the page: {field.exception}"
    values = f"{field.kind.describe()}{', or null' if field.optional else ''}"
    return "\n".join(
        [
            field.key,
            f"  values    {values}",
            f"  purpose   {field.purpose}",
            f"  allowed   {allowed}",
            f"  reviewed  {field.reviewed} by {field.reviewer}; again before {field.expires}",
        ]
    )
