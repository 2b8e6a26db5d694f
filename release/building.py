"""Builds wheel and sdist of the commit that is checked out, twice, and keeps them if every byte is the same.

    python release/building.py dist          # build
    python release/building.py --sums dist   # write the sums anew, of whatever was put there beside wheel and sdist

The two builds differ in all that must not matter: folder, umask, time zone, locale, hash seed, times of the files. What
is built is the commit and not the folder, so that nothing which lies about gets in.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

SUMS = "SHA256SUMS"
"""In the folder with what was built: a line for each file, as `sha256sum --check` reads it."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What must not matter."""

    folder: str
    umask: int
    environ: Mapping[str, str]


TWO = (
    Circumstances("a", 0o022, {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"}),
    Circumstances("another/folder of a longer name", 0o077, {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "2"}),
)


class UnfitError(Exception):
    """What was built must not be released."""


def build(repository: Path, out: Path) -> list[Path]:
    """Build `repository`'s commit into `out`, which is made anew, and return wheel and sdist.

    Raises :class:`UnfitError`, and CalledProcessError when there is nothing to build or the build fails.
    """
    with tempfile.TemporaryDirectory() as scratch:
        first, second = (_build_in(repository, Path(scratch) / each.folder, each) for each in TWO)
        require_same(first, second)
        tracked = _lines(repository, "git", "ls-files", "-z")
        for built in first:
            require_contents(built, tracked, _packages(repository))
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        return [Path(shutil.copy(built, out)) for built in first]


def write_sums(folder: Path) -> Path:
    """Write the sums of all that is in `folder`, and return their file."""
    files = sorted(path for path in folder.iterdir() if path.name != SUMS)
    sums = folder / SUMS
    sums.write_text("".join(f"{digest(file)}  {file.name}\n" for file in files))
    return sums


def _build_in(repository: Path, folder: Path, circumstances: Circumstances) -> list[Path]:
    source, out = folder / "source", folder / "out"
    source.mkdir(parents=True)
    archive = folder / "commit.tar"
    _run(repository, "git", "archive", "--output", str(archive), "HEAD")
    _run(source, "tar", "-xf", str(archive))
    for path in source.rglob("*"):
        os.utime(path, (len(folder.name), len(folder.name)))
    (moment,) = _lines(repository, "git", "log", "-1", "--format=%ct", "-z")
    # The backend is of the version that was tested; an isolated build would take the newest.
    command = ["uv", "build", "--quiet", "--python", sys.executable, "--build-constraint", "constraints.txt"]
    environ = {**os.environ, **circumstances.environ, "SOURCE_DATE_EPOCH": moment.strip()}
    subprocess.run([*command, "--out-dir", str(out)], cwd=source, env=environ, umask=circumstances.umask, check=True)
    return sorted(path for path in out.iterdir() if path.name.endswith((".whl", ".tar.gz")))


def require_same(first: Iterable[Path], second: Iterable[Path]) -> None:
    """Raise :class:`UnfitError` unless both builds made the same files, byte for byte."""
    digests, others = ({path.name: digest(path) for path in built} for built in (first, second))
    if different := sorted(name for name in digests | others if digests.get(name) != others.get(name)):
        raise UnfitError(f"built twice, and not the same: {', '.join(different)}")


def require_contents(built: Path, tracked: Iterable[str], packages: Iterable[str]) -> None:
    """Raise :class:`UnfitError` unless the sdist is the commit, and the wheel its packages."""
    if built.suffix == ".whl":
        found = {name for name in zipfile.ZipFile(built).namelist() if ".dist-info/" not in name}
        folders = {package: Path(package).name for package in packages}
        wanted = {
            f"{name}{path.removeprefix(package)}"
            for package, name in folders.items()
            for path in tracked
            if path.startswith(f"{package}/")
        }
    else:
        with tarfile.open(built) as tar:
            found = {member.name.partition("/")[2] for member in tar if member.isfile()} - {"PKG-INFO"}
        wanted = set(tracked)
    if found != wanted:
        raise UnfitError(
            f"{built.name}: lacks {sorted(wanted - found) or 'nothing'}, should not have {sorted(found - wanted)}"
        )


def digest(path: Path) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _packages(repository: Path) -> list[str]:
    settings = tomllib.loads((repository / "pyproject.toml").read_text())
    packages: list[str] = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return packages


def _lines(repository: Path, *command: str) -> list[str]:
    return [line for line in _run(repository, *command).split("\0") if line]


def _run(repository: Path, *command: str) -> str:
    return subprocess.run(command, cwd=repository, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> None:
    """Build, and print the sums."""
    parser = argparse.ArgumentParser(description="Build wheel and sdist twice, and keep them if they are the same.")
    parser.add_argument("--sums", action="store_true", help="build nothing, and write the sums of what is there")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    if arguments.sums:
        print(write_sums(arguments.out).read_text(), end="")
        return
    repository = Path(__file__).parents[1]
    if _lines(repository, "git", "status", "--porcelain", "-z"):
        print("What is not committed is not built.")
    try:
        build(repository, arguments.out)
    except UnfitError as error:
        sys.exit(str(error))
    print(f"Built twice, byte for byte the same:\n{write_sums(arguments.out).read_text()}", end="")


if __name__ == "__main__":
    main()
