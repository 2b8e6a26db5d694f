"""Whether a run is in CI, and what counts as a switch that is on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sst_core import ci_name, is_set
from sst_core.environment import CI_VARIABLES

ON = ["1", "true", "TRUE", "yes", "Y", "on", " 1 ", "anything", "-1", "2", "falsey", "00", "null", "none", "fal se"]
OFF = [None, "", " ", "\t", "0", " 0 ", "false", "FALSE", "False ", "no", "NO", "off", "Off\n"]


@pytest.mark.parametrize("value", ON)
def test_anything_but_a_no_is_a_yes(value: str) -> None:
    assert is_set(value)


@pytest.mark.parametrize("value", OFF)
def test_a_no_is_a_no_in_any_case_and_spacing(value: str | None) -> None:
    assert not is_set(value)


@pytest.mark.parametrize(("variable", "name"), CI_VARIABLES.items())
def test_each_service_is_known_by_its_variable(variable: str, name: str) -> None:
    assert ci_name({variable: "true"}) == name
    assert ci_name({variable: "true", "CI": "true"}) == name
    assert ci_name({variable: "false"}) is None
    assert ci_name({variable: ""}) is None


def test_a_machine_that_says_nothing_is_not_ci() -> None:
    assert ci_name({"HOME": "/root", "TERM": "xterm"}) is None


@given(st.dictionaries(st.sampled_from([*CI_VARIABLES, "PATH"]), st.text()))
def test_the_name_comes_from_the_closed_list_and_never_from_a_value(environ: dict[str, str]) -> None:
    name = ci_name(environ)

    assert name is None or name in CI_VARIABLES.values()
    assert (name is None) is not any(is_set(environ.get(variable)) for variable in CI_VARIABLES)
