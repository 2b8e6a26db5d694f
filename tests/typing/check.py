"""Type-check what authors write against the package as it is installed, with mypy and pyright as strict as they get.

`nox -s types` runs it. What a file marks with `# E: CODE RULE` has to be found wrong there, by mypy as CODE and by
pyright as RULE; whatever else is found, or isn't, fails.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
FILES = sorted(path for path in HERE.glob("*.py") if path != Path(__file__))

Found = set[tuple[str, int, str]]
"""File, line, and what it is called."""


def main() -> int:
    """Returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:  # nothing of the house is beside them
        for path in FILES:
            shutil.copy(path, folder)
        failures = [
            *_differences("mypy", _mypy(Path(folder)), _expected(0)),
            *_differences("pyright", _pyright(Path(folder)), _expected(1)),
        ]
    print(*failures or [f"{len(FILES)} files, {len(_expected(0))} mistakes in them: as it has to be"], sep="\n")
    return 1 if failures else 0


def _expected(column: int) -> Found:
    return {
        (path.name, number, found[1].split()[column])
        for path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (found := re.search(r"# E: (.*)", line))
    }


def _differences(checker: str, found: Found, expected: Found) -> Iterator[str]:
    # Where one thing is wrong, what follows from it may be told as well.
    marked = {(file, line) for file, line, _ in expected}
    for file, line, name in sorted(each for each in found if each[:2] not in marked):
        yield f"{checker} finds what nobody expects: {file}:{line}: {name}"
    for file, line, name in sorted(expected - found):
        yield f"{checker} does not find: {file}:{line}: {name}"


def _mypy(folder: Path) -> Found:
    command = [sys.executable, "-m", "mypy", "--strict", "--hide-error-context", "--output=json", "."]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode not in (0, 1):
        raise SystemExit(run.stdout + run.stderr)
    errors = [json.loads(line) for line in run.stdout.splitlines()]
    return {(each["file"], each["line"], each["code"]) for each in errors if each["severity"] == "error"}


def _pyright(folder: Path) -> Found:
    (folder / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode not in (0, 1):
        raise SystemExit(run.stdout + run.stderr)
    errors = json.loads(run.stdout)["generalDiagnostics"]
    return {(Path(each["file"]).name, each["range"]["start"]["line"] + 1, each["rule"]) for each in errors}


if __name__ == "__main__":
    sys.exit(main())
