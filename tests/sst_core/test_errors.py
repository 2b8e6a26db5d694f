from pathlib import Path

import pytest

from sst_core.errors import is_interrupt, reason_of


def test_a_reason_is_the_systems_words_without_its_number(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as nowhere:
        (tmp_path / "nowhere").rename(tmp_path / "here")

    assert reason_of(nowhere.value) == f"No such file or directory: '{tmp_path}/nowhere' -> '{tmp_path}/here'"
    assert reason_of(OSError(28, "No space left on device")) == "No space left on device"
    assert reason_of(TimeoutError("it took too long")) == "it took too long"


def test_an_interrupt_may_stand_in_a_group_of_what_several_tasks_raised() -> None:
    assert is_interrupt(KeyboardInterrupt())
    assert is_interrupt(BaseExceptionGroup("", [ValueError(), BaseExceptionGroup("", [KeyboardInterrupt()])]))
    assert not is_interrupt(BaseExceptionGroup("", [ValueError(), SystemExit()]))
    assert not is_interrupt(SystemExit())
