"""Where events go: the first that names an address decides, and an address that can't be used is none."""

from dataclasses import replace
from pathlib import Path

import pytest

from sst_core import SST, find_destination


def configured(home: Path, text: str) -> dict[str, str]:
    file = home / ".config" / "sst" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    file.chmod(0o600)
    return {"HOME": str(home)}


def test_by_default_events_stay_on_the_machine(tmp_path: Path) -> None:
    found = find_destination(SST, {"HOME": str(tmp_path)})

    assert found.url is None
    assert "SST_TELEMETRY_URL" in found.where


def test_the_environment_comes_before_the_file_and_the_file_before_the_default(tmp_path: Path) -> None:
    product = replace(SST, default_collector="https://default.example/events")
    environ = configured(tmp_path, '[telemetry]\ncollector = "https://file.example/events"\n')

    assert find_destination(product, {"HOME": str(tmp_path / "x")}).url == "https://default.example/events"
    assert find_destination(product, environ).url == "https://file.example/events"
    named = find_destination(product, {**environ, "SST_TELEMETRY_URL": "https://env.example/events"})
    assert (named.url, named.where) == ("https://env.example/events", "SST_TELEMETRY_URL")
    assert find_destination(product, {**environ, "SST_TELEMETRY_URL": ""}).url == "https://file.example/events"


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/events",
        "HTTPS://a.example",
        "https://a.example./",
        "http://localhost:1/e",
        "http://127.0.0.1/e",
        "http://[::1]:8/e",
    ],
)
def test_what_is_encrypted_or_does_not_leave_the_machine_is_used(url: str) -> None:
    assert find_destination(SST, {"SST_TELEMETRY_URL": url}).url


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/events",
        "http://localhost.a.example/events",
        "http://127.0.0.1.a.example/events",
        "http://[::1",
        "https://a.example:port/",
        "https://name:secret@a.example/",
        "https://name@a.example/",
        "https://",
        "//a.example",
        "a.example",
        "ftp://a.example",
        "file:///etc/passwd",
        "https://a..example/events",
        "https://.example",
        f"https://{'a' * 64}.example",
        "secret words",
    ],
)
def test_what_cannot_be_used_is_no_address_and_is_not_repeated(tmp_path: Path, url: str) -> None:
    product = replace(SST, default_collector="https://default.example/events")

    found = find_destination(product, {"SST_TELEMETRY_URL": url, "HOME": str(tmp_path)})

    assert found.url is None
    assert "SST_TELEMETRY_URL" in found.where
    assert "secret" not in found.where


@pytest.mark.parametrize(
    "text", ["[telemetry", "telemetry = 1", "[telemetry]\ncollector = 5", "[telemetry]\ncollector = ''"]
)
def test_a_file_that_does_not_say_it_names_no_address(tmp_path: Path, text: str) -> None:
    product = replace(SST, default_collector="https://default.example/events")

    found = find_destination(product, configured(tmp_path, text))

    assert found.url is None
    assert str(tmp_path) in found.where


def test_without_a_home_there_is_no_address() -> None:
    product = replace(SST, default_collector="https://default.example/events")

    assert find_destination(product, {"HOME": "relative"}).url is None
