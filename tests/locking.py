"""Whether somebody holds a lock, looked at without taking it: whoever wants it at that moment would be kept away."""

from pathlib import Path


def is_held(path: Path) -> bool:
    """By any process, this one included. Of Linux, which lists them all."""
    if not path.exists():
        return False
    inode = path.stat().st_ino
    locks = (line.split() for line in Path("/proc/locks").read_text().splitlines() if "->" not in line)
    return any(kind == "FLOCK" and int(place.split(":")[2]) == inode for _, kind, _, _, _, place, *_ in locks)
