"""What is below a folder."""

from pathlib import Path


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every path below `folder`, with its mode and the time of its last change."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.lstat().st_mtime_ns) for path in folder.rglob("*")
    }
