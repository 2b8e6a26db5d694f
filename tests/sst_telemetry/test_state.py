"""What delivery remembers: what is written comes back, and what can't be read is as if there were nothing."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sst_telemetry.state import (
    DeliveryState,
    LastDelivery,
    read_last_batch,
    read_state,
    write_last_batch,
    write_state,
)

COUNTS = st.integers(min_value=0, max_value=10**9)
LAST = st.builds(LastDelivery, st.text(), st.text(), st.text(), COUNTS, COUNTS)
SENT_TO = st.lists(st.text()).map(tuple)
STATES = st.builds(
    DeliveryState, COUNTS, st.floats(0, 1e12, allow_nan=False), COUNTS, COUNTS, COUNTS, SENT_TO, st.none() | LAST
)


@given(STATES)
@settings(deadline=None, max_examples=50)
def test_what_is_written_comes_back(state: DeliveryState) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_state(Path(folder), state)

        assert read_state(Path(folder)) == state


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(lambda v: str(v).encode())
)
@settings(deadline=None, max_examples=100)
def test_other_bytes_are_a_new_state(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "delivery.json").write_bytes(content)

        assert read_state(Path(folder)) == DeliveryState()


@given(st.binary(max_size=2000))
@settings(deadline=None, max_examples=50)
def test_the_last_batch_comes_back_byte_for_byte(body: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_last_batch(Path(folder), body)

        assert read_last_batch(Path(folder)) == body


def test_without_a_folder_there_is_nothing_to_remember(tmp_path: Path) -> None:
    assert read_state(tmp_path / "none") == DeliveryState()
    assert read_last_batch(tmp_path / "none") == b""
    assert list(tmp_path.iterdir()) == []
