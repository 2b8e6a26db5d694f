"""Where files are, by each platform's rules, and the folder that a command was called in, if that is still there."""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sst_core import SST, ConfigurationError, Locations
from sst_core.locations import policy_file, require_folder, working_folder


def test_linux_keeps_to_the_xdg_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")

    found = Locations.of(SST, {"HOME": "/home/u"})

    assert found.config_file == Path("/home/u/.config/sst/config.toml")
    assert found.state == Path("/home/u/.local/state/sst")
    assert found.telemetry == Path("/home/u/.local/state/sst/telemetry")
    assert found.queue == found.telemetry / "queue"
    assert found.seen == found.telemetry / "notice"
    assert found.lock == found.state / "telemetry.lock"


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_the_xdg_variables_win_everywhere(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)

    found = Locations.of(SST, {"HOME": "/home/u", "XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s"})

    assert found.config_file == Path("/c/sst/config.toml")
    assert found.state == Path("/s/sst")


@pytest.mark.parametrize("value", ["", "relative", "./relative", "~/tilde"])
def test_a_relative_xdg_path_is_ignored_as_its_specification_says(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setattr(sys, "platform", "linux")

    found = Locations.of(SST, {"HOME": "/home/u", "XDG_CONFIG_HOME": value, "XDG_STATE_HOME": value})

    assert found == Locations.of(SST, {"HOME": "/home/u"})


def test_macos_keeps_all_in_application_support(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    found = Locations.of(SST, {"HOME": "/Users/u"})

    assert found.config_file == Path("/Users/u/Library/Application Support/sst/config.toml")
    assert found.state == Path("/Users/u/Library/Application Support/sst")


def test_windows_keeps_configuration_and_state_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")

    found = Locations.of(SST, {"HOME": "/u", "APPDATA": "/u/Roaming", "LOCALAPPDATA": "/u/Local"})
    without = Locations.of(SST, {"HOME": "/u", "APPDATA": "relative"})

    assert found.config_file == Path("/u/Roaming/sst/config.toml")
    assert found.state == Path("/u/Local/sst")
    assert without.config_file == Path("/u/AppData/sst/config.toml")


@pytest.mark.parametrize(
    ("platform", "path"),
    [
        ("linux", "/etc/sst/policy.toml"),
        ("darwin", "/Library/Application Support/sst/policy.toml"),
        ("win32", "C:/ProgramData/sst/policy.toml"),
    ],
)
def test_the_policy_is_at_one_fixed_path(monkeypatch: pytest.MonkeyPatch, platform: str, path: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    for variable in ("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "HOME", "PROGRAMDATA", "ALLUSERSPROFILE"):
        monkeypatch.setenv(variable, "/elsewhere")

    assert policy_file(SST) == Path(path)
    assert policy_file(replace(SST, name="other")) == Path(path.replace("sst", "other"))


def test_a_relative_home_is_none() -> None:
    with pytest.raises(ConfigurationError, match="Set HOME to an absolute path"):
        Locations.of(SST, {"HOME": "not/absolute"})


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}], ids=["unset", "empty"])
def test_without_home_the_account_says_where_it_is(monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str]) -> None:
    import pwd

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", "/the/environment/of/this/process/is/not/asked")
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)

    assert Locations.of(SST, environ).state == home / ".local/state/sst"


def test_an_account_that_is_only_a_number_has_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)

    with pytest.raises(ConfigurationError, match="no home folder"):
        Locations.of(SST, {})


def test_a_working_directory_that_was_deleted_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert working_folder() == require_folder(working_folder()) == tmp_path
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert working_folder() is None
    with pytest.raises(ConfigurationError, match="does not exist any more"):
        require_folder(working_folder())
