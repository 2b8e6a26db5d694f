"""Where the tool is that a provider hands its work to. It is found, and never fetched."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from sst_core.errors import ConfigurationError
from sst_core.files import refuse_foreign
from sst_core.processes import ToolNotFoundError
from sst_core.project import Project


def find_tool(name: str, project: Project, how_to_get_it: str) -> str:
    """The program `name`, for `project`'s provider.

    In this order: `tool = "…"` in the provider's table of `sst.toml`; `node_modules/.bin` in the project's folder and
    above; beside the Python that runs; the PATH. Raises :class:`ToolNotFoundError`, which says `how_to_get_it`, and
    :class:`ConfigurationError` for such a table or line that is none, and for a `node_modules` or its `.bin` that
    somebody else has, or can write to.
    """
    configured = _configured(project)
    if configured is not None:
        if shutil.which(configured) is None:
            raise ToolNotFoundError(
                f'{project.settings_file} says tool = "{configured}", and there is no such program. Mend that line.'
            )
        return configured
    for candidate in _beside(name, project):
        if os.access(candidate, os.X_OK) and candidate.is_file():
            return str(candidate)
    found = shutil.which(name)
    if found is None:
        raise ToolNotFoundError(
            f"{name} is not installed: it is not in node_modules/.bin of {project.root} or above, "
            f"not beside {sys.executable}, and not on the PATH. {how_to_get_it}"
        )
    return found


def _configured(project: Project) -> str | None:
    table = project.settings.get(project.provider, {})
    if not isinstance(table, dict):
        raise ConfigurationError(
            f"{project.settings_file}: {project.provider} has to be a table. "
            f"Write [{project.provider}] on a line of its own."
        )
    tool = table.get("tool")
    if tool is None:
        return None
    if not (isinstance(tool, str) and tool):
        raise ConfigurationError(
            f"{project.settings_file}: under [{project.provider}], tool has to be a path in quotes."
        )
    # A bare word is looked for on the PATH, a path from the project's folder.
    return tool if os.sep not in tool else str(project.root / Path(tool).expanduser())


def _beside(name: str, project: Project) -> Iterator[Path]:
    for folder in (project.root, *project.root.parents):
        binaries = folder / "node_modules" / ".bin"
        if binaries.is_dir():
            found = binaries.resolve()  # a link on the way may be somebody else's: it is followed once
            for checked in (binaries.parent, binaries, found):
                refuse_foreign(checked)
            yield found / name
    yield Path(sys.executable).with_name(name)
