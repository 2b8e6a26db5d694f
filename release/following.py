"""Runs each line of the table of `docs/index.md` that says how to install, upgrade and uninstall, as a reader would.

    python release/following.py dist/sst-1.2.3.tar.gz

In a checkout, which the sdist is, with a HOME and an environment of its own for each line.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "index.md"
_ROW = re.compile(r"^\| .* \| `(.*)` \| `(.*)` \| `(.*)` \|$", re.MULTILINE)
Row = tuple[str, str, str]
"""How to install, upgrade and uninstall."""


def rows(page: str) -> list[Row]:
    """The table. Raises ValueError if there is none."""
    found: list[Row] = _ROW.findall(page)
    if not found:
        raise ValueError("no table says how to install")
    return found


def tried(row: Row, checkout: Path, home: Path) -> None:
    """Run the three: after the first two there is an `sst`, after the last none.

    Raises CalledProcessError, FileNotFoundError or FileExistsError.
    """
    programs = home / "bin"
    subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True)
    environ = {
        **os.environ,
        "HOME": str(home),
        "PATH": os.pathsep.join([str(programs), str(home / "venv" / "bin"), os.environ["PATH"]]),
        "UV_TOOL_DIR": str(home / "uv"),
        "UV_TOOL_BIN_DIR": str(programs),
        "PIPX_HOME": str(home / "pipx"),
        "PIPX_BIN_DIR": str(programs),
        "PIP_QUIET": "1",
    }
    installed = (programs / "sst", home / "venv" / "bin" / "sst")
    for number, command in enumerate(row):
        print(f"$ {command}", flush=True)
        subprocess.run(["/bin/sh", "-euc", command], cwd=checkout, env=environ, check=True)
        there = [program for program in installed if program.exists()]
        if number < 2:
            if len(there) != 1:
                raise FileNotFoundError(f"after `{command}` one program is expected, and there are {there}")
            subprocess.run([there[0], "--version"], cwd=home, env=environ, check=True)
        elif there:
            raise FileExistsError(f"after `{command}` {there[0]} is still there")


def main(sdist: Path) -> None:
    """Try each row."""
    for row in rows(PAGE.read_text()):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["tar", "-xf", sdist.resolve(), "-C", folder], check=True)
            (checkout,) = Path(folder).iterdir()
            home = Path(folder) / "home"
            home.mkdir()
            tried(row, checkout, home)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
