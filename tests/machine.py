"""A machine for each test: its own HOME and environment, the installed `sst` run as a process, a terminal, plugins."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SST = Path(sys.executable).with_name("sst")
PATIENCE = 30.0
"""Seconds after which something that should have happened is taken for hanging."""

# Makes the terminal the controlling one, so that Ctrl-C typed there is a signal, and then becomes the command.
_ON_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


@dataclass(frozen=True, slots=True)
class Screen:
    """What a person saw, and how it ended."""

    exit_code: int
    text: str


@dataclass
class Terminal:
    """A command on a terminal of its own."""

    process: subprocess.Popen[bytes]
    descriptor: int
    text: str = ""

    def type(self, keys: str) -> None:
        """Type `keys`: `\\x03` is Ctrl-C."""
        os.write(self.descriptor, keys.encode())

    def wait_for(self, text: str) -> None:
        """Read until `text` is on the screen."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.text:
            assert time.monotonic() < deadline, f"never saw {text!r} in {self.text!r}"
            if not self._read():
                assert text in self.text, f"ended without {text!r}: {self.text!r}"

    def end(self) -> Screen:
        """Read until the command has ended."""
        while self._read():
            pass
        code = self.process.wait(PATIENCE)
        os.close(self.descriptor)
        return Screen(code, self.text)

    def _read(self) -> bool:
        ready, _, _ = select.select([self.descriptor], [], [], PATIENCE)
        assert ready, f"nothing more came after {self.text!r}"
        try:
            data = os.read(self.descriptor, 65536)
        except OSError:  # Linux: the other end is closed
            return False
        self.text += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


@dataclass
class Machine:
    """A user's machine: nothing of the one that the tests run on shows through."""

    home: Path
    folder: Path
    """The working directory."""
    environ: dict[str, str] = field(default_factory=dict)
    plugins: Path | None = None

    @property
    def config_file(self) -> Path:
        """The user's configuration."""
        return self.home / ".config" / "sst" / "config.toml"

    @property
    def state(self) -> Path:
        """The program's state folder."""
        return self.home / ".local" / "state" / "sst"

    @property
    def telemetry(self) -> Path:
        """What exists only while consent stands."""
        return self.state / "telemetry"

    @property
    def queue(self) -> Path:
        """Recorded runs."""
        return self.telemetry / "queue"

    def queued(self) -> list[Path]:
        """The waiting runs."""
        return (
            sorted(path for path in self.queue.iterdir() if not path.name.startswith("."))
            if self.queue.exists()
            else []
        )

    def sst(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        timeout: float = PATIENCE,
        program: tuple[str, ...] = (str(SST),),
    ) -> subprocess.CompletedProcess[str]:
        """Run `sst` with no terminal."""
        return subprocess.run(
            [*program, *arguments],
            cwd=folder or self.folder,
            env={**self.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def terminal(self, *arguments: str, env: Mapping[str, str] | None = None, folder: Path | None = None) -> Terminal:
        """Start `sst` on a terminal of its own."""
        ours, theirs = pty.openpty()
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", _ON_TERMINAL, str(SST), *arguments],
                cwd=folder or self.folder,
                env={**self.environ, **(env or {})},
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        return Terminal(process, ours)

    def on_terminal(self, *arguments: str, env: Mapping[str, str] | None = None, folder: Path | None = None) -> Screen:
        """Run `sst` on a terminal to its end."""
        return self.terminal(*arguments, env=env, folder=folder).end()

    def see_notice(self) -> None:
        """Be shown the notice, so that the next run is recorded."""
        self.project('build = ["true"]')
        assert "This run is not recorded" in self.on_terminal("build").text

    def project(self, *tasks: str, folder: Path | None = None, extra: str = "") -> Path:
        """Write a `sst.toml` with these tasks."""
        file = (folder or self.folder) / "sst.toml"
        file.write_text("\n".join(["[tasks]", *tasks, extra, ""]))
        file.chmod(0o644)
        return file

    def install(self, name: str, code: str, entries: Mapping[str, Mapping[str, str]], version: str = "1.0") -> None:
        """Install a distribution `name` with a module of that name and entry points `{group: {entry: target}}`."""
        assert self.plugins is not None
        self.plugins.mkdir(exist_ok=True)
        (self.plugins / f"{name}.py").write_text(code)
        metadata = self.plugins / f"{name}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: What {name} does.\n"
        )
        groups = [
            f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in entries.items()
        ]
        (metadata / "entry_points.txt").write_text("\n".join(groups))
        self.environ["PYTHONPATH"] = str(self.plugins)
