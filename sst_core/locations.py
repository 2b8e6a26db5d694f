"""Where a product's files are: the user's configuration, the state that telemetry may have, a project's settings."""

# platformdirs would do the first half, for 5 ms of imports in every command; it also takes a relative XDG path.

import os
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from os.path import expanduser, isabs, join
from pathlib import Path

from sst_core.errors import ConfigurationError
from sst_core.product import Product
from sst_core.records import Record


class Locations(Record):
    """The paths of one product for one user. Nothing of it has to exist."""

    config_file: Path
    """The user's configuration, which a person may edit."""
    state: Path
    """The program's state folder, which holds the lock and `telemetry`. It stays when consent is withdrawn."""
    telemetry: Path
    """Everything that consent allowed to be kept. It exists only while consent stands, and is made by consent alone:
    when the notice has been seen, or in CI is shown."""

    @property
    def queue(self) -> Path:
        """Recorded runs that are waiting to be sent, one file each."""
        return self.telemetry / "queue"

    @property
    def seen(self) -> Path:
        """The notice items that the user has seen, one a line."""
        return self.telemetry / "notice"

    @property
    def lock(self) -> Path:
        """Held by a sender from its consent check to the response, and by whoever changes consent. Never deleted."""
        return self.state / "telemetry.lock"

    @classmethod
    def of(cls, product: Product, environ: Mapping[str, str]) -> "Locations":
        """The locations by the platform's rules and the XDG variables.

        Raises :class:`ConfigurationError` when there is no home folder.
        """
        return _locations(
            product.name,
            _root(environ, "XDG_CONFIG_HOME", "APPDATA", ".config"),
            _root(environ, "XDG_STATE_HOME", "LOCALAPPDATA", ".local/state"),
        )


@lru_cache(maxsize=1)  # consent asks half a dozen times in a command, and recording once more: 0.1 ms each
def _locations(name: str, config: str, state: str) -> Locations:
    own = Path(state, name)
    return Locations(config_file=Path(config, name, "config.toml"), state=own, telemetry=own / "telemetry")


def policy_file(product: Product) -> Path:
    """The administrator's file. No environment variable moves it."""
    if sys.platform == "win32":
        return Path("C:/ProgramData") / product.name / "policy.toml"
    if sys.platform == "darwin":
        return Path("/Library/Application Support") / product.name / "policy.toml"
    return Path("/etc") / product.name / "policy.toml"


def working_folder() -> Path | None:
    """The working directory; None when it has been deleted, in which case there is no project to ask."""
    try:
        return Path.cwd()
    except OSError:
        return None


def require_folder(folder: Path | None) -> Path:
    """The working directory. Raises :class:`ConfigurationError` where there is none."""
    if folder is None:
        raise ConfigurationError("The working directory does not exist any more. Change to one that does.")
    return folder


def settings_files(product: Product, folder: Path) -> Iterator[Path]:
    """Every `sst.toml` there is in `folder` and above it, the nearest first, whoever owns it."""
    for parent in (folder, *folder.parents):
        candidate = parent / product.settings_name
        if _is_there(candidate):
            yield candidate


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # a folder that can't be searched may hold one: whoever reads it is told why that fails
    return True


def _root(environ: Mapping[str, str], xdg: str, windows: str, unix: str) -> str:
    named = environ.get(xdg, "")
    if isabs(named):  # the XDG specification: a relative path is to be ignored
        return named
    if sys.platform == "win32":
        named = environ.get(windows, "")
        return named if isabs(named) else join(_home(environ), "AppData")
    return join(_home(environ), "Library/Application Support" if sys.platform == "darwin" else unix)


def _home(environ: Mapping[str, str]) -> str:
    # An empty HOME is none; expanduser("~") would take it for the root folder.
    home = environ.get("HOME") or _home_of_account()
    if home is None or not isabs(home):
        raise ConfigurationError("There is no home folder. Set HOME to an absolute path.")
    return home


def _home_of_account() -> str | None:
    if sys.platform == "win32":
        return expanduser("~")  # Path.home() raises where there is none
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:  # a container that runs as a number without an account
        return None
