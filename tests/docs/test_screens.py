"""The pictures of the terminal show what a terminal shows."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def check(house: Path) -> tuple[int, str, str]:
    ended = subprocess.run(
        [sys.executable, house / "documenting" / "screens.py", "--check"], capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_they_are_fresh() -> None:
    assert check(ROOT) == (0, "", "")


def test_one_that_shows_something_else_is_stale(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "documenting", tmp_path / "documenting")
    shutil.copytree(ROOT / "docs" / "pictures", tmp_path / "docs" / "pictures")
    picture = tmp_path / "docs" / "pictures" / "telemetry.svg"
    picture.write_text(picture.read_text().replace("environment", "everything"))

    code, said, _ = check(tmp_path)

    assert (code, said) == (1, "telemetry.svg shows what is not so any more; run: python3 -m nox -s screens\n")
