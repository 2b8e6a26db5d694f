"""What the app's own `samconfig.toml` says, so that nobody is overruled who configured the SAM CLI."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sst_core import ConfigurationError, read_toml

_DEFAULT = "default"


class SamConfig:
    """Its parameters for one stage: those of the environment that is called like it, or else the default one's."""

    def __init__(self, path: Path, environments: Mapping[str, Any], stage: str) -> None:
        self.environment = stage if stage in environments else ""
        """The environment that is called like the stage; empty where there is none."""
        self._path = path
        self._commands = environments.get(stage) or environments.get(_DEFAULT, {})

    @classmethod
    def of(cls, root: Path, stage: str) -> "SamConfig":
        """Read it. Raises :class:`ConfigurationError`; a file that isn't there says nothing."""
        path = root / "samconfig.toml"
        return cls(path, read_toml(path) or {}, stage)

    @property
    def flags(self) -> list[str]:
        """How the SAM CLI is told of it: by itself it looks beside the built template."""
        environment = ["--config-env", self.environment] if self.environment else []
        return ["--config-file", str(self._path), *environment] if self._path.exists() else []

    def says(self, command: str, *keys: str) -> bool:
        """Whether it has something of its own for `command` under one of these keys."""
        return any(key in self._parameters(section) for key in keys for section in ("global", command))

    def text(self, command: str, key: str) -> str | None:
        """A word that belongs to the stage. The default environment's stack is every stage's, and so not taken."""
        if key == "stack_name" and not self.environment:
            return None
        found = {**self._parameters("global"), **self._parameters(command)}.get(key)
        return found if isinstance(found, str) and found else None

    def _parameters(self, command: str) -> Mapping[str, Any]:
        try:
            parameters: Mapping[str, Any] = self._commands.get(command, {}).get("parameters", {})
            return {**parameters}
        except (AttributeError, TypeError):
            raise ConfigurationError(f"{self._path}: {command} has to be a table with parameters.") from None
