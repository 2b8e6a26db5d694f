import copy
import dataclasses
import pickle

import pytest

from sst_core.records import Record


class Point(Record):
    """A place."""

    x: int
    y: int = 2

    ORIGIN = (0, 0)

    @property
    def total(self) -> int:
        return self.x + self.y


class Named(Record, kw_only=True):
    first: str = "a"
    second: str


class Other(Record):
    x: int
    y: int


def test_values_are_taken_in_order_or_by_name_and_defaults_fill_in() -> None:
    assert (Point(1).x, Point(1).y) == (1, 2)
    assert Point(1, 3) == Point(y=3, x=1)
    assert Point(1).total == 3
    assert Named(second="b").first == "a"


@pytest.mark.parametrize(
    ("values", "named", "told"),
    [
        ((), {}, "x"),
        ((1, 2, 3), {}, "by name"),
        ((1,), {"x": 1}, "twice"),
        ((1,), {"z": 1}, "z"),
    ],
)
def test_wrong_values_are_a_type_error(values: tuple[int, ...], named: dict[str, int], told: str) -> None:
    with pytest.raises(TypeError, match=told):
        Point(*values, **named)


def test_a_keyword_only_record_takes_no_value_by_its_place() -> None:
    with pytest.raises(TypeError, match="by name"):
        Named("a", "b")  # type: ignore[call-arg]


def test_nothing_can_be_changed_removed_or_added() -> None:
    point = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 5  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.x
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.z = 5
    assert not hasattr(point, "__dict__")


def test_equal_are_those_of_one_class_with_equal_values() -> None:
    assert Point(1) == Point(1, 2)
    assert Point(1) != Point(2)
    assert Point(1) != Other(1, 2)
    assert len({Point(1), Point(1, 2), Point(2)}) == 2


def test_it_shows_its_values() -> None:
    assert repr(Point(1)) == "Point(x=1, y=2)"


def test_the_dataclasses_module_takes_it_for_one_of_its_own() -> None:
    assert [field.name for field in dataclasses.fields(Point)] == ["x", "y"]
    assert dataclasses.fields(Point)[1].default == 2
    assert dataclasses.asdict(Point(1)) == {"x": 1, "y": 2}
    assert dataclasses.replace(Point(1), y=5) == Point(1, 5)
    assert dataclasses.replace(Named(second="b"), first="c") == Named(first="c", second="b")
    assert dataclasses.is_dataclass(Point)


def test_it_can_be_matched_by_place() -> None:
    match Point(1, 3):
        case Point(x, y):
            assert (x, y) == (1, 3)


def test_copies_and_pickles_are_equal() -> None:
    assert copy.deepcopy(Point(1)) == Point(1)
    assert pickle.loads(pickle.dumps(Point(1, 3))) == Point(1, 3)  # noqa: S301
