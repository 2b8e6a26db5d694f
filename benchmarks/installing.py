"""Environments of their own for the peers, made once and kept in a folder; what can't be installed says why."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


class NotInstalled(Exception):
    """The message is the last line that pip said."""


def environment(folder: Path, requirements: Sequence[str]) -> Path:
    """The Python of an environment with these and the Typer that `sst` runs on. Raises `NotInstalled`."""
    wanted = "\n".join([f"typer=={version('typer')}", *requirements])
    note = folder / "installed"
    python = folder / "bin" / "python"
    if note.exists() and note.read_text() == wanted:
        return python
    print(f"installing {' '.join(requirements)}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    _run(sys.executable, "-m", "venv", str(folder))
    _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted.splitlines())
    note.write_text(wanted)
    return python


def version_in(python: Path, distribution: str) -> str:
    """Which version was installed there."""
    code = f"from importlib.metadata import version; print(version({distribution!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def certificates(folder: Path, hosts: Sequence[str]) -> tuple[Path, Path]:
    """A certificate with its key for `hosts`, and the authority that a client has to trust. Raises `NotInstalled`."""
    python = environment(folder / "trustme", ["trustme>=1.2"])
    made = folder / "certificates"
    both = made / "both.pem"
    if not both.exists():
        made.mkdir(exist_ok=True)
        _run(str(python), "-m", "trustme", "--quiet", "--dir", str(made), "--identities", *hosts)
        both.write_bytes((made / "server.key").read_bytes() + (made / "server.pem").read_bytes())
    return both, made / "client.pem"


def _run(*arguments: str) -> None:
    ran = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if ran.returncode:
        said = (ran.stderr.strip() or ran.stdout.strip() or f"ended with {ran.returncode}").splitlines()
        raise NotInstalled(next((line for line in reversed(said) if line.startswith("ERROR")), said[-1]))
