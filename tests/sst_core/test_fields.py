"""Every field has the page's word for it, or is one of the two ids; and commands and CI services agree everywhere."""

import platform
from datetime import date
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from sst_core import SST, Choice, Field, RandomId
from sst_core.environment import CI_NAMES

PAGE = Path(__file__).parents[2] / "docs" / "telemetry-page.md"
EXCEPTIONS = {"anonymousId", "sessionId"}

each_field = pytest.mark.parametrize("field", SST.catalogue.fields, ids=lambda field: field.key)


@each_field
def test_the_page_allows_it_word_for_word_or_it_is_a_disclosed_exception(field: Field) -> None:
    if field.key in EXCEPTIONS:
        assert field.sentence is None
        assert field.exception
        assert isinstance(field.kind, RandomId), "an id that could hold something is no exception"
        return
    assert field.exception is None
    assert field.sentence
    assert f"- {field.sentence}\n" in PAGE.read_text(encoding="utf-8")


@each_field
def test_it_says_why_and_when_it_was_reviewed(field: Field) -> None:
    assert field.purpose.endswith(".")
    assert field.reviewer
    assert date.fromisoformat(field.reviewed) < date.fromisoformat(field.expires)
    assert field.kind.describe()
    assert field.revision >= 1


def test_keys_and_dimensions_are_unique() -> None:
    keys = [field.key for field in SST.catalogue]
    dimensions = [field.dimension for field in SST.catalogue if field.dimension]
    assert len(set(keys)) == len(keys)
    assert len(set(dimensions)) == len(dimensions)
    assert len({field.notice_item for field in SST.catalogue}) == len(keys)


def test_what_may_be_missing_is_what_the_original_client_or_a_system_does_not_know() -> None:
    assert {field.key for field in SST.catalogue if field.optional} == {"ciName", "distro", "pythonVersion"}


def test_no_id_is_ever_published() -> None:
    assert {field.key for field in SST.catalogue if isinstance(field.kind, RandomId)} == EXCEPTIONS
    assert {SST.catalogue[key].dimension for key in EXCEPTIONS} == {None}


def choices(key: str) -> set[str]:
    kind = SST.catalogue[key].kind
    assert isinstance(kind, Choice)
    assert len(set(kind.values)) == len(kind.values)
    return set(kind.values)


def test_commands_are_the_products_own_but_for_telemetrys() -> None:
    assert choices("command") == {*SST.command_help, "plugin"} - {"telemetry"}


def test_what_is_installed_and_what_help_lists_agree() -> None:
    own = {point.name for point in entry_points(group="sst.commands") if point.dist and point.dist.name == "sst"}

    assert own == set(SST.command_help)


def test_ci_services_are_those_that_can_be_detected() -> None:
    assert choices("ciName") == set(CI_NAMES)


def test_versions_of_this_very_run_are_allowed() -> None:
    assert SST.catalogue["sstVersion"].check(SST.version) == SST.version
    python = ".".join(platform.python_version_tuple()[:2])
    assert SST.catalogue["pythonVersion"].check(python) == python


def test_no_distribution_is_listed_with_more_than_its_major_version() -> None:
    for value in choices("distro"):
        assert "." not in value
        assert value == value.lower()
