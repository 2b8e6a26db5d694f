"""Running as somebody whom permissions hold, and giving files away: what tests that run as root need."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from required_programs import absent

NOBODY = 65534

_CANNOT_GIVE_UP = 77

# Drops CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH from what the program may have, and becomes it.
_GIVE_UP_OVERRIDING = f"""
import ctypes, os, sys
if os.geteuid() == 0 and any(ctypes.CDLL(None).prctl(24, right, 0, 0, 0) for right in (1, 2)):
    sys.exit({_CANNOT_GIVE_UP})
os.execv(sys.argv[1], sys.argv[1:])
"""


def modestly(program: Path) -> tuple[str, ...]:
    """How to run it as somebody whom permissions hold: root gives up its right to override them. Skips if it can't."""
    if not _can_give_up():
        absent("this root can't give up its rights")
    return (sys.executable, "-c", _GIVE_UP_OVERRIDING, str(program))


@cache
def _can_give_up() -> bool:
    command = (sys.executable, "-c", _GIVE_UP_OVERRIDING, sys.executable, "-c", "")
    return subprocess.run(command, check=False).returncode != _CANNOT_GIVE_UP


def give_away(path: Path) -> None:
    """Give a file to somebody else, which only root can do."""
    only_root("give a file away")
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def only_root(can: str) -> None:
    """Skip the test for everybody else, and fail it in CI, which runs as root: what only root can show is looked at."""
    if os.geteuid() != 0:
        absent(f"only root can {can}")
