"""Where secrets are planted: a machine with one in every place that a run could leak from."""

import os
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from hypothesis import strategies as st

from canary.searching import Trace
from sst_core.testing import PATIENCE, PROGRAM, Machine

SHORTEST = 12
"""No secret has fewer characters, all of them different: nothing matches by chance."""
_ANY = st.characters(codec="utf-8", exclude_characters="\0")
_FILE_NAME = st.characters(codec="utf-8", exclude_characters="\0/")
_VARIABLE = st.characters(codec="utf-8", exclude_characters="\0=")
_LETTERS = st.characters(categories=("Ll", "Lu", "Lo"))
_ASCII = st.sampled_from("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

PLACES = {
    "option value": _ANY,
    "option name": _LETTERS,
    "unknown command": _LETTERS,
    "argument after --": _ANY,
    "bad value": _ANY,
    "variable's name": _VARIABLE,
    "variable's value": _ANY,
    "working folder": _FILE_NAME,
    "home folder": _FILE_NAME,
    "project name": _ANY,
    "key in sst.toml": _ANY,
    "value in sst.toml": _ANY,
    "argument of a task": _ANY,
    "USER": _ANY,
    "LOGNAME": _ANY,
    "HOSTNAME": _ANY,
    "CI variable's value": _ANY,
    "host name": _ASCII,
    "git remote": _ASCII,
    "git user": _ASCII,
    "git mail": _ASCII,
    "plugin's distribution": _ASCII,
    "plugin's entry": _LETTERS,
    "plugin's command": _LETTERS,
    "plugin's subcommand": _LETTERS,
    "plugin's module": _LETTERS,
    "exception in a command": _ANY,
    "exception in an observer": _ANY,
    "exception's type": _ASCII,
    "login in .netrc": _ASCII,
    "password in .netrc": _ASCII,
    "user of HTTPS_PROXY": _ANY,
    "password of HTTPS_PROXY": _ANY,
    "password of ALL_PROXY": _ANY,
    "output of a failing task": _ANY,
    "file name": _FILE_NAME,
    "file content": _ANY,
}

UNPARSED = frozenset({"option name", "unknown command", "bad value"})
"""Places in command lines that don't parse: no plugin is loaded there."""


def secrets() -> st.SearchStrategy[dict[str, str]]:
    """A secret for each place, no two alike."""
    each = {
        place: st.lists(alphabet, min_size=SHORTEST, max_size=24, unique=True).map("".join)
        for place, alphabet in PLACES.items()
    }
    return st.fixed_dictionaries(each).filter(_are_distinct)


def _are_distinct(secrets: Mapping[str, str]) -> bool:
    values = [value.casefold() for value in secrets.values()]
    return not any(one in other for one in values for other in values if one is not other)


@dataclass(frozen=True, slots=True)
class Setting:
    """The sort of machine."""

    ci: bool = False
    """A person's machine, whose user has consented, or a job in CI."""
    tls: Path | None = None
    """The certificate with its key that the collector has; None: plain HTTP, which reads no proxy and no .netrc."""
    detached: bool = False
    """Whether the detached sender delivers, or `flush`."""
    forgets: bool = True
    """Whether a person asks to be forgotten at the end."""


@dataclass
class Site:
    """A machine with secrets in it."""

    secrets: Mapping[str, str]
    setting: Setting
    url: str
    root: Path
    machine: Machine = field(init=False)
    planted: dict[str, tuple[str, ...]] = field(init=False)
    program: tuple[str, ...] = (str(PROGRAM),)
    traces: set[Trace] = field(default_factory=set)
    _own: set[Path] = field(init=False)

    def __post_init__(self) -> None:
        secret = self.secrets
        home, folder = self.root / "homes" / secret["home folder"], self.root / "work" / secret["working folder"]
        self.machine = Machine(home=home, folder=folder, plugins=self.root / "plugins")
        self.planted = {place: (value,) for place, value in secret.items()}
        for path in (home, folder, folder / ".git", self.root / "plugins", self.root / "temporary"):
            path.mkdir(parents=True, mode=0o755)
        self._plant_environment()
        self._plant_files()
        self._plant_plugin()
        # A whole, and so its hash too, that a secret is only a part of.
        self.planted["home folder"] += (str(home),)
        self.planted["working folder"] += (str(folder),)
        if not self.setting.ci:
            del self.planted["CI variable's value"]
        self.machine.state.mkdir(parents=True, mode=0o700)
        self._own = {path for _, path in self._files()}

    def run(self, *arguments: str, code: int | None, debug: bool = False) -> subprocess.CompletedProcess[bytes]:
        """Run `sst`, which has to end with `code` if one is given, and keep the files that it left behind."""
        ended = subprocess.run(
            [*self.program, *arguments],
            cwd=self.machine.folder,
            env={**self.machine.environ, **({"SST_TELEMETRY_DEBUG": "1"} if debug else {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=4 * PATIENCE,
            check=False,
        )
        assert code in (ended.returncode, None), (arguments, ended)
        self.look()
        return ended

    def debug(self, *arguments: str, code: int) -> None:
        """Run `sst` twice, and keep what debugging adds to its stderr, byte for byte."""
        usual = Counter(self.run(*arguments, code=code).stderr.split(b"\n"))
        added = []
        for line in self.run(*arguments, code=code, debug=True).stderr.split(b"\n"):
            if usual[line]:
                usual[line] -= 1
            else:
                added.append(line)
        assert any(line.startswith(b"sst telemetry, printed and not recorded: ") for line in added), added
        self.traces.add(Trace("printed", "stderr", b"\n".join(added)))

    def look(self) -> None:
        """Keep every file, with its name, that is in HOME, the project or the temporary folder and was not planted."""
        for top, path in self._files():
            if path not in self._own:
                with suppress(FileNotFoundError):  # a sender has just delivered it
                    self.traces.add(Trace("kept", str(path.relative_to(top)), path.read_bytes()))

    def _files(self) -> Iterator[tuple[Path, Path]]:
        for top in (self.machine.home, self.machine.folder, self.root / "temporary"):
            yield from ((top, path) for path in top.rglob("*") if not path.is_dir())

    def _plant_environment(self) -> None:
        secret = self.secrets
        user, password, other = (
            quote(secret[place], safe="")
            for place in ("user of HTTPS_PROXY", "password of HTTPS_PROXY", "password of ALL_PROXY")
        )
        self.machine.environ = {
            "HOME": str(self.machine.home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.root / "temporary"),
            "PYTHONPATH": str(self.root / "plugins"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SST_TELEMETRY_URL": self.url,
            "USER": secret["USER"],
            "LOGNAME": secret["LOGNAME"],
            "HOSTNAME": secret["HOSTNAME"],
            "SECRET": secret["variable's value"],
            secret["variable's name"]: "1",
            "HTTPS_PROXY": f"http://{user}:{password}@127.0.0.1:9",
            "ALL_PROXY": f"http://proxy:{other}@127.0.0.1:9",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        if self.setting.ci:
            self.machine.environ["CI"] = secret["CI variable's value"]
        if self.setting.tls:
            self.machine.environ["SSL_CERT_FILE"] = str(self.setting.tls)

    def _plant_files(self) -> None:
        secret, home, folder = self.secrets, self.machine.home, self.machine.folder
        fail = [*("sh", "-c", 'printf "%s" "$1" >&2; exit 3', "sh"), secret["output of a failing task"]]
        settings = folder / "sst.toml"
        settings.write_text(
            f"[project]\nname = {_toml(secret['project name'])}\n"
            f"{_toml(secret['key in sst.toml'])} = {_toml(secret['value in sst.toml'])}\n"
            f"[tasks]\nbuild = {_toml('true', secret['argument of a task'])}\n"
            f"deploy = {_toml(*fail)}\n"
        )
        settings.chmod(0o644)
        remote = f"https://example.org/{secret['git remote']}.git"
        self.planted["git remote"] += (remote,)
        (folder / ".git" / "config").write_text(f'[remote "origin"]\n\turl = {remote}\n')
        (folder / secret["file name"]).write_text(secret["file content"])
        (home / ".gitconfig").write_text(
            f"[user]\n\tname = {secret['git user']}\n\temail = {secret['git mail']}@example.org\n"
        )
        netrc = home / ".netrc"
        netrc.write_text(
            f"machine 127.0.0.1 login {secret['login in .netrc']} password {secret['password in .netrc']}\n"
        )
        netrc.chmod(0o600)

    def _plant_plugin(self) -> None:
        secret = self.secrets
        module, kind = secret["plugin's module"], secret["exception's type"]
        install(
            self.root / "plugins",
            secret["plugin's distribution"],
            module,
            _PLUGIN.format(
                kind=kind,
                in_command=secret["exception in a command"],
                in_observer=secret["exception in an observer"],
                subcommand=secret["plugin's subcommand"],
            ),
            {
                "sst.commands": {secret["plugin's command"]: f"{module}:app"},
                "sst.plugins": {secret["plugin's entry"]: module},
            },
        )


_PLUGIN = """
import typer
from sst_core import hookimpl

IN_COMMAND = {in_command!r}
IN_OBSERVER = {in_observer!r}
app = typer.Typer(rich_markup_mode=None)

class {kind}(Exception): pass

@app.callback()
def group(): pass

@app.command({subcommand!r})
def command(label: str = "", count: int = 0): raise {kind}(IN_COMMAND)

@hookimpl
def on_command_invoked(): raise {kind}(IN_OBSERVER)
"""


def install(plugins: Path, distribution: str, module: str, code: str, entries: Mapping[str, Mapping[str, str]]) -> None:
    """Install a third party's distribution, of which each name is another."""
    (plugins / f"{module}.py").write_text(code)
    metadata = plugins / f"{distribution}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    groups = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in entries.items()]
    (metadata / "entry_points.txt").write_text("\n".join(groups))


def _toml(*values: str) -> str:
    """A basic string, or an array of them."""
    strings = [
        '"' + "".join(c if c.isascii() and c.isalnum() else f"\\U{ord(c):08x}" for c in value) + '"' for value in values
    ]
    return strings[0] if len(strings) == 1 else f"[{', '.join(strings)}]"
