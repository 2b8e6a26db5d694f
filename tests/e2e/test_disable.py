"""`disable`, whatever a sender is doing: after it has returned no request starts, and no id is on the disk.

A round for each phase runs with the other tests. The campaign, `nox -s kills`, is the same with SST_DISABLES set to
more.
"""

import os
import random
import secrets
import sys
from collections.abc import Callable

import pytest

from sst_core.testing import Machine

if sys.platform != "linux":
    pytest.skip("senders are adopted, and seen at work by inotify: Linux", allow_module_level=True)

from killing.adopting import adopting
from killing.gate import Gate
from killing.moments import Moments
from killing.withdrawing import PHASES, Round

ROUNDS = -(-int(os.environ.get("SST_DISABLES", "1")) // len(PHASES))
"""For each phase."""
SEED = int(os.environ.get("SST_SEED", "0")) or secrets.randbits(32)


@pytest.mark.timeout(300 + 30 * ROUNDS)
@pytest.mark.parametrize("phase", PHASES)
def test_after_disable_no_request_starts_and_no_id_is_kept(
    machine: Machine, phase: str, record_property: Callable[[str, object], None]
) -> None:
    print(f"SST_SEED={SEED}")
    machine.project('build = ["echo", "done"]')
    requests = 0
    with adopting() as senders:
        for number in range(ROUNDS):
            moments = Moments()
            gate = Gate(moments)
            try:
                found = Round(machine, senders, moments, gate, random.Random(SEED + number)).fly(phase)
            finally:
                gate.close()
            assert found == [], f"round {number}"
            requests += gate.requests
    record_property("disabled", (ROUNDS, requests))
