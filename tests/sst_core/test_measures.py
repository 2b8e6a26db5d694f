"""General machine information: each fact in its bucket or closed list, whatever the machine says."""

import math
import os
import platform
import sys
from pathlib import Path

import distro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sst_core import SST, Moment, Run

FACTS = {field.key for field in SST.catalogue.taken_at(Moment.SENDING)} - {"anonymousId"}


def machine_facts() -> dict[str, object]:
    """What the sender measures."""
    return SST.catalogue.measure(Moment.SENDING, Run(SST.version, command="", ci=None))


def test_this_machine_is_within_the_catalogue() -> None:
    facts = machine_facts()

    assert facts.keys() == FACTS
    assert all(SST.catalogue[key].check(value) == value for key, value in facts.items())


@given(
    cpus=st.none() | st.integers(min_value=1, max_value=4096),
    architecture=st.text(),
    system=st.text() | st.sampled_from(["linux", "darwin", "win32", "freebsd14"]),
    name=st.text(),
    version=st.text(),
)
def test_no_machine_gets_beyond_the_catalogue(
    cpus: int | None, architecture: str, system: str, name: str, version: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "cpu_count", lambda: cpus)
        patch.setattr(platform, "machine", lambda: architecture)
        patch.setattr(sys, "platform", system)
        patch.setattr(distro.LinuxDistribution, "id", lambda self: name)
        patch.setattr(distro.LinuxDistribution, "major_version", lambda self: version)
        facts = machine_facts()

    assert facts.keys() == FACTS
    for key, value in facts.items():
        SST.catalogue[key].check(value)


@pytest.mark.parametrize(
    ("machine", "recorded"), [("x86_64", "x64"), ("AMD64", "x64"), ("aarch64", "arm64"), ("riscv64", "other")]
)
def test_processors_have_one_name_on_every_system(monkeypatch: pytest.MonkeyPatch, machine: str, recorded: str) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)

    assert machine_facts()["systemArchitecture"] == recorded


@pytest.mark.parametrize("cpus", [1, 2, 3, 4, 7, 8, 12, 15, 16, 31, 32, 63, 64, 200, None])
def test_processors_are_counted_down_to_a_power_of_two(monkeypatch: pytest.MonkeyPatch, cpus: int | None) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cpus)

    assert machine_facts()["cpuCount"] == min(2 ** int(math.log2(cpus or 1)), 32)


@pytest.mark.parametrize(
    ("name", "version", "recorded"),
    [("debian", "12", "debian-12"), ("debian", "99", "other"), ("acme-internal", "7", "other"), ("", "", "other")],
)
def test_distributions_are_of_a_closed_list(
    monkeypatch: pytest.MonkeyPatch, name: str, version: str, recorded: str
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(distro.LinuxDistribution, "id", lambda self: name)
    monkeypatch.setattr(distro.LinuxDistribution, "major_version", lambda self: version)

    assert machine_facts()["distro"] == recorded


def test_no_program_is_run_to_find_the_distribution_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("lsb_release", "uname"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/{name}.was.run\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    machine_facts()

    assert list(tmp_path.glob("*.was.run")) == []


@pytest.mark.parametrize(("ci", "recorded"), [(None, (False, None)), ("gitlab", (True, "gitlab"))])
def test_whether_it_is_ci_and_which(ci: str | None, recorded: tuple[bool, str | None]) -> None:
    facts = SST.catalogue.measure(Moment.RUN, Run(SST.version, command="build", ci=ci))

    assert (facts["isCI"], facts["ciName"]) == recorded


def test_no_other_system_has_a_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    assert machine_facts()["distro"] is None
