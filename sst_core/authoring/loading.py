"""One plugin, loaded in a process of its own, and what that showed. Whatever it does there, it does to nobody else."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from sst_core.authoring.survey import Surveyed
from sst_core.product import Product
from sst_core.records import Record

PATIENCE = 10.0
"""Seconds after which a plugin that is still being loaded is taken for hanging."""
BUDGET = 100.0
"""Milliseconds of CPU that the import of a plugin may take: it is a part of every command."""


class Refusal(Record):
    """Why a plugin could not be imported or registered."""

    kind: str
    """The exception's type; empty where it is the core that refuses it."""
    why: str
    """In the core's words, or the exception's."""
    where: str
    """File and line of the plugin's own; empty if there is none."""
    missing: str | None
    """The module that could not be imported, or that lacks what was to be imported from it."""
    imported: bool
    """Whether it was imported, and failed in what came then."""


class Loading(Record):
    """How it went."""

    milliseconds: float | None = None
    """Of CPU, for its import; None if it never came to an end."""
    modules: int = 0
    """How many were imported for it."""
    threads: int = 0
    """How many it left running."""
    printed: str = ""
    """What it printed while it was imported."""
    hooks: tuple[str, ...] = ()
    deprecated: tuple[str, ...] = ()
    """What it uses that is to go, in words."""
    refusal: Refusal | None = None
    exit_code: int | None = None
    """With what it ended the process; negative for a signal."""
    hung: bool = False

    @property
    def failed(self) -> str:
        """Why it is not loaded; empty if it is."""
        if self.hung:
            return f"it was not loaded after {PATIENCE:.0f} s"
        if self.exit_code is not None:
            how = f"signal {-self.exit_code}" if self.exit_code < 0 else f"exit code {self.exit_code}"
            return f"it ended the process while it was loaded ({how})"
        if self.refusal is not None:
            return self.refusal.why
        return ""


def load_apart(product: Product, surveyed: Surveyed) -> Loading:
    """Load it; again if its import was slow, since its bytecode is there by then. The quicker one counts.

    In any thread, within :func:`exit_codes_kept`.
    """
    first = _load_once(product, surveyed)
    if first.milliseconds is None or first.milliseconds <= BUDGET or first.failed:
        return first
    second = _load_once(product, surveyed)
    return second if (second.milliseconds or first.milliseconds) < first.milliseconds else first


def _load_once(product: Product, surveyed: Surveyed) -> Loading:
    entry = surveyed.entry
    with tempfile.TemporaryDirectory(prefix="plugin-") as folder:
        report, out, err = (Path(folder) / name for name in ("report", "out", "err"))
        # Files, and no pipes: a process that the plugin starts may hold an end of them for as long as it likes.
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                # -P: what lies in the working directory is not to be imported.
                [
                    *(sys.executable, "-P", "-m", "sst_core.authoring.loaded", product.target, surveyed.kind),
                    *(entry.name, entry.point.value, str(report)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
            hung = _wait(process)
        steps = _read(report)
        printed = [
            path.read_bytes()[:size].decode(errors="replace")
            for path, size in zip((out, err), steps.get("imported", {}).get("printed", (None, None)), strict=True)
        ]
    return _loading(steps, "".join(printed), process.returncode, hung)


def _wait(process: "subprocess.Popen[bytes]") -> bool:
    """Whether it had to be ended."""
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        hung = True
    else:
        hung = False
    if sys.platform == "win32":
        process.kill()  # what it has started there is in no group of its own
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # and whatever it started in its session
    process.wait()
    return hung


def _read(report: Path) -> dict[str, dict[str, Any]]:
    lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
    steps = [json.loads(line) for line in lines]
    return {step.pop("step"): step for step in steps}


def _loading(steps: dict[str, dict[str, Any]], printed: str, code: int, hung: bool) -> Loading:
    imported, taken = steps.get("imported", {}), steps.get("taken", {})
    is_over = "taken" in steps or "refused" in steps
    return Loading(
        milliseconds=imported.get("milliseconds"),
        modules=imported.get("modules", 0),
        threads=imported.get("threads", 0),
        printed=printed,
        hooks=tuple(taken.get("hooks", ())),
        deprecated=tuple(taken.get("deprecated", ())),
        refusal=Refusal(**steps["refused"]) if "refused" in steps else None,
        exit_code=None if is_over or hung else code,
        hung=hung,
    )
