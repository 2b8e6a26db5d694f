from sst_core.errors import is_interrupt


def test_an_interrupt_may_stand_in_a_group_of_what_several_tasks_raised() -> None:
    assert is_interrupt(KeyboardInterrupt())
    assert is_interrupt(BaseExceptionGroup("", [ValueError(), BaseExceptionGroup("", [KeyboardInterrupt()])]))
    assert not is_interrupt(BaseExceptionGroup("", [ValueError(), SystemExit()]))
    assert not is_interrupt(SystemExit())
