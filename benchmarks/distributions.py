"""An environment with as many installed distributions as are wanted: its own, and others made up to that number."""

import sys
import sysconfig
import venv
from pathlib import Path

WITH_ENTRY_POINTS = 20
"""Every so-manieth has an entry point, none of them ours: as it is where most are libraries."""
_METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nSummary: A library among many.\n\n" + "Words. " * 300


def environment(folder: Path, count: int) -> tuple[Path, int]:
    """A Python with this one's packages and others up to `count` distributions, and how many there are."""
    venv.EnvBuilder(symlinks=True).create(folder)
    ours = Path(sysconfig.get_paths()["purelib"])
    theirs = folder / ours.relative_to(sys.prefix)
    for entry in ours.iterdir():
        if not (theirs / entry.name).exists():
            (theirs / entry.name).symlink_to(entry)
    present = len(list(theirs.glob("*.dist-info")))
    for number in range(count - present):
        _make_up(theirs, number)
    return folder / "bin" / "python", max(count, present)


def _make_up(packages: Path, number: int) -> None:
    name = f"library_{number:03d}"
    (packages / name).mkdir()
    (packages / name / "__init__.py").touch()
    metadata = packages / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(_METADATA.format(name=name))
    (metadata / "WHEEL").write_text(
        "Wheel-Version: 1.0\nGenerator: made up\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    (metadata / "RECORD").write_text(f"{name}/__init__.py,,\n{name}-1.0.dist-info/METADATA,,\n")
    if number % WITH_ENTRY_POINTS == 0:
        (metadata / "entry_points.txt").write_text(f"[console_scripts]\n{name} = {name}:main\n")
