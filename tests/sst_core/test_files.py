"""Files that decide something: whose they have to be, and how they are written."""

import errno
import os
import socket
import stat
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from permissions import give_away, only_root
from sharing import share_by_access_list, share_with_a_group
from sst_core import ConfigurationError, read_own, sync_path, write_private
from sst_core.files import MAX_BYTES, ForeignFileError, make_private_folder, refuse_foreign

Shape = Callable[[Path], None]


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    target = path.with_name("elsewhere")
    target.write_text("")
    target.chmod(0o600)
    path.symlink_to(target)


def dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def writable_by_group(path: Path) -> None:
    path.write_text("")
    share_with_a_group(path)


def writable_by_all(path: Path) -> None:
    path.write_text("")
    path.chmod(0o606)


def too_large(path: Path) -> None:
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    path.chmod(0o600)


def a_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path may have 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


SHAPES: dict[Shape, str] = {
    folder: "not a regular file",
    pipe: "not a regular file",
    a_socket: "can't be read",
    link: "is a symbolic link",
    dangling_link: "is a symbolic link",
    link_to_itself: "is a symbolic link",
    writable_by_group: "can be written by others",
    writable_by_all: "can be written by others",
    too_large: "is larger than",
}


@pytest.mark.parametrize(("shape", "words"), SHAPES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_no_plain_file_of_ones_own_is_refused_and_named(tmp_path: Path, shape: Shape, words: str) -> None:
    path = tmp_path / "file"
    shape(path)

    with pytest.raises(ConfigurationError, match=words) as caught:
        read_own(path)

    assert str(path) in str(caught.value)
    assert not isinstance(caught.value, ForeignFileError)


def test_refusing_leaves_no_descriptor_open(tmp_path: Path) -> None:
    before = os.open(os.devnull, os.O_RDONLY)
    os.close(before)
    for shape in SHAPES:
        path = tmp_path / shape.__name__ / "file"
        path.parent.mkdir()
        shape(path)
        with pytest.raises(ConfigurationError):
            read_own(path)
    after = os.open(os.devnull, os.O_RDONLY)
    os.close(after)
    assert after == before


@pytest.mark.parametrize("shape", [folder, link, writable_by_all, pipe])
def test_what_is_somebody_elses_is_told_apart(tmp_path: Path, shape: Shape) -> None:
    path = tmp_path / "file"
    shape(path)
    give_away(path)

    with pytest.raises(ForeignFileError, match="belongs to somebody else"):
        read_own(path)


def test_nothing_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")

    assert read_own(tmp_path / "nothing") is None
    assert read_own(tmp_path / "no" / "folder") is None
    assert read_own(tmp_path / "plain" / "below") is None


@given(st.binary(max_size=2000))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "round" / "trip"

    write_private(path, content)

    assert read_own(path) == content
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="a folder can't be opened")
def test_what_is_written_is_durable_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, synced = tmp_path / "file", []

    def fsync(descriptor: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_private(path, b"content")

    assert synced == [(False, False), (True, True)]


@pytest.mark.parametrize(("number", "is_told"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_file_system_that_can_not_sync_a_folder_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_told: bool
) -> None:
    def fsync(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)

    with pytest.raises(OSError, match="error") if is_told else nullcontext():
        sync_path(tmp_path)


def test_a_file_of_the_greatest_size_is_read(tmp_path: Path) -> None:
    write_private(tmp_path / "file", b"#" * MAX_BYTES)

    assert read_own(tmp_path / "file") == b"#" * MAX_BYTES


def test_files_are_for_the_user_alone_in_folders_for_the_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    old = os.umask(0)
    try:
        write_private(path, b"")
    finally:
        os.umask(old)

    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent, path.parent.parent)] == [
        0o600,
        0o700,
        0o700,
    ]


def test_writing_replaces_what_is_there_whatever_its_mode_and_never_follows_a_link(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "file"
    victim.write_text("precious")
    path.symlink_to(victim)

    write_private(path, b"mine")

    assert victim.read_text() == "precious"
    assert not path.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_shared_keeps_its_mode(tmp_path: Path) -> None:
    write_private(tmp_path / "file", b"", mode=0o644)

    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644


def test_a_mode_is_given_to_the_file_itself_and_not_to_a_link_that_has_taken_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, real = tmp_path / "victim", os.open
    victim.touch(0o600)

    def open_and_swap(path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = real(path, flags, mode)
        if flags & os.O_EXCL:
            path.unlink()
            path.symlink_to(victim)
        return descriptor

    monkeypatch.setattr(os, "open", open_and_swap)
    write_private(tmp_path / "file", b"", mode=0o644)

    assert stat.S_IMODE(victim.stat().st_mode) == 0o600


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.mkdir()

    with pytest.raises(OSError, match="directory"):
        write_private(path, b"content")

    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match=r"[Nn]ot a directory|exists"):
        (tmp_path / "plain").write_text("")
        make_private_folder(tmp_path / "plain" / "below")


@pytest.mark.parametrize("name", ["/proc/file", "folder"], ids=["made", "renamed"])
def test_what_cannot_be_written_is_named_as_what_it_was_to_be(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    (tmp_path / "folder").mkdir()

    with pytest.raises(OSError, match="directory") as refused:
        write_private(path, b"content")

    assert (refused.value.filename, refused.value.filename2) == (str(path), None)


def test_a_file_that_fails_while_it_is_read_is_named() -> None:
    memory = Path("/proc/self/mem")  # its first page is nobody's

    with pytest.raises(ConfigurationError, match="/proc/self/mem can't be read: Input/output error"):
        read_own(memory)


def test_a_group_that_nobody_knows_is_not_ones_own(tmp_path: Path) -> None:
    only_root("give a file away")
    path = tmp_path / "file"
    path.touch()
    os.chown(path, -1, 54_321)
    path.chmod(0o664)

    with pytest.raises(ConfigurationError, match="can be written by others"):
        read_own(path)
    with pytest.raises(ConfigurationError, match="can be written by others"):
        refuse_foreign(path)


def test_what_an_access_list_lets_somebody_write_is_not_ones_own(tmp_path: Path) -> None:
    """Its mode is that of a file from under umask 002."""
    path = tmp_path / "file"
    path.touch()
    share_by_access_list(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o664

    with pytest.raises(ConfigurationError, match="Run: chmod go-w"):
        read_own(path)
    with pytest.raises(ConfigurationError, match="Run: chmod go-w"):
        refuse_foreign(path)

    path.chmod(0o644)
    assert read_own(path) == b""
    refuse_foreign(path)


def test_what_is_not_there_is_nobodys(tmp_path: Path) -> None:
    refuse_foreign(tmp_path / "nothing")
