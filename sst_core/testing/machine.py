"""A machine for each test: its own HOME and environment, plugins, and `sst` run on it in three ways.

    machine.sst("build")            a process with no terminal
    machine.on_terminal("build")    a process on a terminal of its own, where a person would see the notice
    machine.in_process("build")     this process: quicker, a debugger stops in it, and a plugin may be any object

The administrator's policy file stands at a fixed path that nothing moves: it is the one thing that shows through.
"""

import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from sst_core.entry_points import installed
from sst_core.installation import normalized
from sst_core.sst import SST
from sst_core.testing.registered import target_of
from sst_core.testing.terminal import PATIENCE, Screen, Terminal

Entries = Mapping[str, Mapping[str, str]]
"""Entry points: `{group: {name: target}}`."""
_LEFT_OUT = SST.variable("DISABLE_PLUGINS")

PROGRAM = Path(sys.executable).with_name("sst")
"""The `sst` that is installed beside this Python."""
# Makes the terminal the controlling one, so that Ctrl-C typed there is a signal, and then becomes the command.
_ON_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


@dataclass
class Machine:
    """A user's machine: nothing of the one that the tests run on shows through."""

    home: Path
    folder: Path
    """The working directory."""
    environ: dict[str, str] = field(default_factory=dict)
    plugins: Path | None = None
    """Where :meth:`install` and :meth:`plug` put what they write."""
    program: Path = PROGRAM
    """What is run. Its name is that of the product, and so of its folders."""
    leaks: list[str] = field(default_factory=list)
    """What runs in this process have left behind: see :mod:`sst_core.testing.leaks`."""

    @property
    def root(self) -> Path:
        """What is below this folder is the machine's, and everything else isn't."""
        return self.home.parent

    @property
    def config_file(self) -> Path:
        """The user's configuration."""
        return self.home / ".config" / self.program.name / "config.toml"

    @property
    def state(self) -> Path:
        """The program's state folder."""
        return self.home / ".local" / "state" / self.program.name

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
        program: tuple[str, ...] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run `sst` with no terminal."""
        return subprocess.run(
            [*(program or [str(self.program)]), *arguments],
            cwd=folder or self.folder,
            env={**self.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def terminal(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        program: tuple[str, ...] = (),
    ) -> Terminal:
        """Start `sst` on a terminal of its own. Windows has none of the kind: there it raises OSError."""
        if sys.platform == "win32":
            raise OSError("there are no such terminals on Windows")
        import pty

        ours, theirs = pty.openpty()
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", _ON_TERMINAL, *(program or [str(self.program)]), *arguments],
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
        """Be shown the notice, at several commands if it has no room for all, so that the next run is recorded."""
        self.project('build = ["true"]')
        while "there is more to tell" in (shown := self.on_terminal("build").text):
            pass
        assert "This run is not recorded" in shown

    def project(self, *tasks: str, folder: Path | None = None, extra: str = "") -> Path:
        """Write a `sst.toml`, or what the program's is called, with these tasks."""
        file = (folder or self.folder) / f"{self.program.name}.toml"
        file.write_text("\n".join(["[tasks]", *tasks, extra, ""]))
        file.chmod(0o644)
        return file

    def in_process(
        self, *arguments: str, env: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `sst` in this process, with no terminal. What it leaves behind is in `leaks`, and undone."""
        from sst_core.testing.in_process import run_in_process  # which needs all that a command needs

        run, leaks = run_in_process(arguments, {**self.environ, **(env or {})}, folder or self.folder, self.root)
        self.leaks += leaks
        return run

    def plug(self, plugin: object, *, name: str = "plugged", group: str = "sst.plugins") -> None:
        """Have a plugin found as if it were installed.

        `plugin` is the path of a file `….py`, a module, a target as `pyproject.toml` has it (`"package.module:name"`),
        or any other object: that one is known to :meth:`in_process` alone.
        """
        match plugin:
            case Path():
                self.put_on_path(plugin.resolve().parent)
                target = plugin.stem
            case ModuleType(__file__=str(file), __name__=target):
                ups = target.count(".") + (Path(file).stem == "__init__")
                self.put_on_path(Path(file).resolve().parents[ups])
            case str(target):
                pass
            case _:
                target = target_of(plugin)
        self._install(name, "1.0", f"What {name} does.", {group: {name: target}})

    def plug_project(self, project: Path) -> None:
        """Have what a project's `pyproject.toml` says be found as if it were installed, and its modules with it."""
        table: dict[str, Any] = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        urls = "".join(f"Project-URL: {label}, {url}\n" for label, url in table.get("urls", {}).items())
        needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in table.get("dependencies", []))
        version, summary = table.get("version", "0"), table.get("description", "")
        self._install(table["name"], version, summary, table.get("entry-points", {}), urls + needs)
        source = project / "src"
        self.put_on_path(source if source.is_dir() else project)

    def install(self, name: str, code: str, entries: Entries, version: str = "1.0") -> None:
        """Install a distribution `name` with a module of that name and entry points `{group: {entry: target}}`."""
        (self._install(name, version, f"What {name} does.", entries) / f"{name}.py").write_text(code)

    def put_on_path(self, folder: Path, *, first: bool = False) -> None:
        """Have Python find modules and distributions in `folder`."""
        path = self.environ.get("PYTHONPATH", "").split(os.pathsep)
        others = [other for other in path if other not in ("", str(folder))]
        self.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *others] if first else [*others, str(folder)])

    def _install(self, name: str, version: str, summary: str, entries: Entries, more: str = "") -> Path:
        """Write the metadata of a distribution, and return the folder that it is in."""
        assert self.plugins is not None
        metadata = self.plugins / f"{normalized(name)}-{version}.dist-info"
        metadata.mkdir(parents=True, exist_ok=True)
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: {summary}\n"
        (metadata / "METADATA").write_text(head + more)
        groups = [
            f"[{group}]\n" + "".join(f"{point} = {target}\n" for point, target in points.items())
            for group, points in entries.items()
        ]
        (metadata / "entry_points.txt").write_text("\n".join(groups))
        self.put_on_path(self.plugins)
        self._let_in(name)
        return self.plugins

    def _let_in(self, distribution: str) -> None:
        """A plugin of this test's is none of those that are installed beside it and left out."""
        left_out = self.environ.get(_LEFT_OUT, "").split(",")
        self.environ[_LEFT_OUT] = ",".join(name for name in left_out if name != normalized(distribution))
        if not self.environ[_LEFT_OUT]:
            del self.environ[_LEFT_OUT]


def new_machine(root: Path) -> Machine:
    """A machine below `root`, with an empty HOME and an empty working directory.

    What is installed beside the product is left out: other plugins are no part of a test.
    """
    home, folder = root / "home", root / "work"
    home.mkdir()
    folder.mkdir()
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm"}
    found = installed(SST)
    others = {
        entry.point.distribution_name
        for entry in (*found.commands, *found.plugins, *found.telemetry)
        if not entry.first_party
    }
    if others:
        environ[_LEFT_OUT] = ",".join(sorted(others))
    return Machine(home=home, folder=folder, environ=environ, plugins=root / "plugins")
