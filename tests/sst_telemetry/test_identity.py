"""The weekly id: one a machine a week, linked to nothing, and gone when the user says so."""

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consenting import Consenting
from loopback import Loopback
from sst_core import SST, ConfigurationError, week_of
from sst_core.testing import Machine
from sst_telemetry.identity import machine_secret, weekly_id
from waiting import eventually

MONDAY = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
SUNDAY = datetime(2026, 11, 29, 23, 59, tzinfo=UTC)


def ids(loopback: Loopback) -> list[str]:
    """The ids that arrived."""
    return [envelope["context"]["anonymousId"] for request in loopback.requests for envelope in request.envelopes]


def sent_at(consenting: Consenting, loopback: Loopback, moment: datetime) -> str:
    """The id under which a run is sent then."""
    consenting.record(at=moment.timestamp())
    assert consenting.deliver(loopback.url, clock=lambda: moment).left == 0
    return ids(loopback)[-1]


def test_a_machine_has_one_id_a_week_whatever_it_sends(consenting: Consenting, loopback: Loopback) -> None:
    consenting.record(at=MONDAY.timestamp())
    first = sent_at(consenting, loopback, MONDAY)
    last = sent_at(consenting, loopback, SUNDAY)

    assert len(ids(loopback)) == 3
    assert set(ids(loopback)) == {first} == {last}
    assert SST.catalogue["anonymousId"].kind.accepts(first)


def test_another_week_has_another_id(consenting: Consenting, loopback: Loopback) -> None:
    weeks = [sent_at(consenting, loopback, MONDAY + timedelta(weeks=number)) for number in range(4)]

    assert len(set(weeks)) == 4


def test_it_is_the_week_of_sending_that_counts(consenting: Consenting, loopback: Loopback) -> None:
    consenting.record(at=(MONDAY - timedelta(hours=1)).timestamp())
    consenting.record(at=MONDAY.timestamp())

    consenting.deliver(loopback.url, clock=lambda: MONDAY)

    assert len(set(ids(loopback))) == 1


def test_two_machines_have_two_ids(consenting: Consenting, loopback: Loopback) -> None:
    one = sent_at(consenting, loopback, MONDAY)
    (consenting.machine.telemetry / "secret").unlink()

    assert sent_at(consenting, loopback, MONDAY) != one


@given(
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
    st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)),
)
def test_an_id_is_as_good_as_a_name_for_a_machine_and_a_week(
    one: bytes, other: bytes, then: datetime, later: datetime
) -> None:
    same = one == other and week_of(then) == week_of(later)
    assert (weekly_id(one, week_of(then)) == weekly_id(other, week_of(later))) is same
    assert SST.catalogue["anonymousId"].kind.accepts(weekly_id(one, week_of(then)))


def test_an_id_is_what_every_version_makes_of_the_same_secret() -> None:
    """Another would be another machine in the middle of a week, and none that `forget` could ask for."""
    assert weekly_id(bytes(range(32)), "2026-W48") == "5ef658f7c38c5945081db89f14f766e1"


def test_the_secret_is_the_users_alone_and_never_leaves(consenting: Consenting, loopback: Loopback) -> None:
    sent_at(consenting, loopback, MONDAY)

    path = consenting.machine.telemetry / "secret"
    secret = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert len(secret) == 32
    for request in loopback.requests:
        assert secret not in request.raw
        assert secret not in request.body
        assert secret.hex().encode() not in request.body


def test_all_that_make_the_secret_at_the_same_moment_get_the_same(consenting: Consenting) -> None:
    folder = consenting.machine.telemetry
    for _ in range(50):
        (folder / "secret").unlink(missing_ok=True)
        together = threading.Barrier(4)

        def make(_number: int, together: threading.Barrier = together) -> bytes:
            together.wait()
            return machine_secret(folder)

        with ThreadPoolExecutor(4) as threads:
            made = set(threads.map(make, range(4)))

        assert made == {(folder / "secret").read_bytes()}
    assert sorted(path.name for path in folder.iterdir()) == ["notice", "queue", "secret"]


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_torn_secret_is_replaced(consenting: Consenting, content: bytes) -> None:
    path = consenting.machine.telemetry / "secret"
    path.write_bytes(content)

    assert machine_secret(path.parent) == path.read_bytes() != content


def test_a_secret_that_others_may_have_written_is_not_used(consenting: Consenting, loopback: Loopback) -> None:
    path = consenting.machine.telemetry / "secret"
    path.write_bytes(b"x" * 32)
    path.chmod(0o666)
    consenting.record()

    with pytest.raises(ConfigurationError):
        consenting.deliver(loopback.url)

    assert loopback.requests == []


def test_without_consent_there_is_no_secret(machine: Machine) -> None:
    with pytest.raises(OSError):
        machine_secret(machine.telemetry)

    assert not machine.state.exists()


def test_in_ci_every_run_has_an_id_of_its_own_and_no_secret_is_kept(
    machine: Machine, consenting: Consenting, loopback: Loopback
) -> None:
    consenting.record(ci="gitlab")
    consenting.record(ci="gitlab")

    consenting.deliver(loopback.url)

    assert len(set(ids(loopback))) == 2
    assert not (machine.telemetry / "secret").exists()


def test_in_ci_nothing_about_an_id_is_on_disk_from_run_to_sender(machine: Machine, loopback: Loopback) -> None:
    machine.project('build = ["true"]')

    machine.sst("build", env={"CI": "1", "SST_TELEMETRY_URL": loopback.url})

    eventually(lambda: loopback.commands == ["build"], "a delivery")
    eventually(lambda: machine.queued() == [], "an empty queue")
    assert not (machine.telemetry / "secret").exists()


def test_disabling_makes_another_machine_of_it(machine: Machine, consenting: Consenting, loopback: Loopback) -> None:
    one = sent_at(consenting, loopback, MONDAY)

    machine.sst("telemetry", "disable")
    machine.sst("telemetry", "enable")

    assert sent_at(consenting, loopback, MONDAY) != one


def test_on_a_file_system_without_links_there_is_one_secret_too(
    consenting: Consenting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refusing)
    telemetry = consenting.locations.telemetry

    made = machine_secret(telemetry)

    assert machine_secret(telemetry) == made
    assert [path.name for path in telemetry.iterdir() if "secret" in path.name] == ["secret"]
    assert (telemetry / "secret").stat().st_mode & 0o777 == 0o600
