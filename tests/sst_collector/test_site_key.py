"""The weekly key of a site, shared by its collectors."""

import os
from datetime import UTC, datetime, timedelta
from multiprocessing.pool import ThreadPool
from pathlib import Path
from shutil import rmtree

import pytest

from sst_collector.site_key import KEY_BYTES, NoKeyYet, SiteKey
from sst_core import ConfigurationError, week_of

SUNDAY = datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)
MONDAY = SUNDAY + timedelta(seconds=1)


class Clock:
    now = SUNDAY

    def __call__(self) -> datetime:
        return self.now


def key(folder: Path, now: datetime = SUNDAY) -> bytes:
    """The key that a collector gets that has just started."""
    site_key = SiteKey(folder, lambda: now)
    site_key.fetch()
    return site_key.current()


def test_all_collectors_of_a_site_have_the_same_key_whoever_comes_first(tmp_path: Path) -> None:
    with ThreadPool(8) as pool:
        keys = pool.map(key, [tmp_path / "shared"] * 40)
    assert len(set(keys)) == 1
    assert len(keys[0]) == KEY_BYTES


def test_every_week_has_a_key_of_its_own(tmp_path: Path) -> None:
    clock = Clock()
    site_key = SiteKey(tmp_path, clock)
    with pytest.raises(NoKeyYet):
        site_key.current()
    site_key.fetch()
    first = site_key.current()
    clock.now = MONDAY
    with pytest.raises(NoKeyYet):
        site_key.current()
    site_key.fetch()
    assert site_key.current() != first


def test_a_retired_key_is_gone_from_memory_and_disk_and_does_not_come_back(tmp_path: Path) -> None:
    clock = Clock()
    site_key = SiteKey(tmp_path, clock)
    site_key.fetch()
    old = site_key.current()
    site_key.retire(before="2026-W48")
    with pytest.raises(NoKeyYet):
        site_key.current()
    assert old not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    # A collector whose clock is behind: its runs will be counted in the week after, with that week's key.
    assert key(tmp_path, SUNDAY) == key(tmp_path, MONDAY) != old


@pytest.mark.parametrize("weeks", [2, 52])
def test_a_clock_that_was_far_ahead_does_not_make_one_key_last(weeks: int, tmp_path: Path) -> None:
    clock = Clock()
    site_key = SiteKey(tmp_path / "site-key", clock)
    site_key.fetch()
    clock.now += timedelta(weeks=weeks)
    site_key.retire(before=week_of(clock.now))
    clock.now = SUNDAY
    words = rf"whose clock said {week_of(SUNDAY + timedelta(weeks=weeks))}.*delete {tmp_path / 'site-key'}:"
    with pytest.raises(ConfigurationError, match=words):
        site_key.fetch()
    with pytest.raises(ConfigurationError, match=words):
        site_key.retire(before=week_of(clock.now))
    rmtree(tmp_path / "site-key")
    site_key.fetch()
    assert [path.name for path in (tmp_path / "site-key").glob("*.key")] == ["2026-W47.key"]


def test_the_key_of_the_week_that_is_open_stays(tmp_path: Path) -> None:
    kept = key(tmp_path, MONDAY)
    SiteKey(tmp_path, lambda: MONDAY).retire(before="2026-W48")
    assert key(tmp_path, MONDAY) == kept


def test_without_the_original_client_there_is_no_key_and_no_folder(tmp_path: Path) -> None:
    SiteKey(tmp_path / "site-key", lambda: MONDAY).retire(before="2026-W48")
    assert list(tmp_path.iterdir()) == []


def test_keys_are_for_their_user_alone(tmp_path: Path) -> None:
    key(tmp_path / "site-key")
    assert (tmp_path / "site-key").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "site-key").iterdir()} == {0o600}


@pytest.mark.parametrize("note", [b"hunter2", b"9999-W52", b"\xff"])
def test_a_damaged_folder_is_an_error_in_words(note: bytes, tmp_path: Path) -> None:
    key(tmp_path)
    (tmp_path / "retired").write_bytes(note)
    with pytest.raises(ConfigurationError, match="retired is not what a collector wrote"):
        key(tmp_path)


@pytest.mark.parametrize("in_the_way", ["retired", ".retired.{process}"])
def test_a_key_goes_with_its_week_even_if_that_can_not_be_noted(in_the_way: str, tmp_path: Path) -> None:
    key(tmp_path)
    (tmp_path / in_the_way.format(process=os.getpid())).mkdir()

    with pytest.raises((ConfigurationError, OSError), match="retired"):
        SiteKey(tmp_path, lambda: MONDAY).retire(before="2026-W48")
    assert list(tmp_path.glob("*.key")) == []


def test_of_several_weeks_those_before_are_deleted_and_what_comes_late_too(tmp_path: Path) -> None:
    key(tmp_path, SUNDAY - timedelta(weeks=1))
    key(tmp_path, SUNDAY)
    here = SiteKey(tmp_path, lambda: MONDAY)

    here.retire(before="2026-W47")
    assert [path.stem for path in tmp_path.glob("*.key")] == ["2026-W47"]

    (tmp_path / "2026-W46.key").write_bytes(b"x" * KEY_BYTES)  # of a collector that was slow
    here.retire(before="2026-W47")
    assert [path.stem for path in tmp_path.glob("*.key")] == ["2026-W47"]
    assert (tmp_path / "retired").read_text() == "2026-W46"
