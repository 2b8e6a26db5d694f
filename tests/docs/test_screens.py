"""The pictures of the terminal show what a terminal shows."""

import shutil
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def check(docs: Path) -> tuple[int, str, str]:
    ended = subprocess.run(
        [sys.executable, docs / "screens.py", "--check"], capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_they_are_fresh() -> None:
    assert check(DOCS) == (0, "", "")


def test_one_that_shows_something_else_is_stale(tmp_path: Path) -> None:
    shutil.copy(DOCS / "screens.py", tmp_path)
    shutil.copytree(DOCS / "pictures", tmp_path / "pictures")
    picture = tmp_path / "pictures" / "telemetry.svg"
    picture.write_text(picture.read_text().replace("environment", "everything"))

    code, said, _ = check(tmp_path)

    assert (code, said) == (1, "telemetry.svg shows what is not so any more; run: python3 -m nox -s screens\n")
