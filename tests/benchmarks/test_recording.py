"""What recording takes in the command's own process is measured in processes that record, and start a sender."""

import recording
from apart import a_process_apart


def test_each_sample_records_and_only_the_last_ones_start_a_sender() -> None:
    with a_process_apart() as apart:
        measured = apart(recording.measure, 2)

    assert list(measured) == list(recording.AT_MOST)
    imports, quiet, starting = measured.values()
    assert (len(imports), len(quiet), len(starting)) == (4, 2, 2)
    assert min(*imports, *quiet, *starting) > 0
