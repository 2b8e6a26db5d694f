import gc
from collections.abc import Iterator

import pytest

from sst_core.startup import uncollected


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_nothing_is_collected_meanwhile_and_everything_again_afterwards() -> None:
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_is_there_at_the_end_is_spared() -> None:
    with uncollected():
        kept: list[list[int]] = [[]]
    assert not any(found is kept for found in gc.get_objects())


def test_it_ends_after_an_error_too() -> None:
    with pytest.raises(ValueError, match="x"), uncollected():
        raise ValueError("x")
    assert gc.isenabled()


def test_a_collector_that_was_switched_off_stays_so() -> None:
    gc.disable()
    with uncollected():
        pass
    assert not gc.isenabled()
