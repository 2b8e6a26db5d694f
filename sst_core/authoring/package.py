"""A new plugin: `template/` is one that works, and the new one is it under another name."""

import keyword
import os
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from sst_core.authoring.survey import survey
from sst_core.errors import ExitCode, SstError
from sst_core.invocation import Session
from sst_core.locations import require_folder, working_folder
from sst_core.records import Record

TEMPLATE = Path(__file__).with_name("template")
_CACHE = re.compile(r"__pycache__|_cache/")
"""What tools leave in the template: it is linted and type-checked as what it is, a plugin."""
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class NotPossibleError(SstError):
    """The package can't be made: why, and what to do."""

    exit_code: int = ExitCode.USAGE


class NewPackage(Record):
    """What the new package is called."""

    folder: Path
    distribution: str
    module: str
    plugin: str
    """The name of its entry points, and so of its command."""

    @classmethod
    def named(cls, name: str, session: Session) -> "NewPackage":
        """`sst-hello` is the distribution, in a folder of that name; `sst_hello` its module, `hello` the plugin.

        Raises :class:`NotPossibleError` for a name that can't be one, or that is somebody else's.
        """
        if not _NAME.fullmatch(name):
            raise NotPossibleError("take lower-case letters, digits and single hyphens, such as sst-hello")
        module = name.replace("-", "_")
        if keyword.iskeyword(module) or module in sys.stdlib_module_names or find_spec(module) is not None:
            another = f"{'sst-my' if name.startswith('sst-') else 'sst'}-{name.removeprefix('sst-')}"
            raise NotPossibleError(f"{module} is a module of another package; take another name, such as {another}")
        program = session.context.product.name
        plugin = name.removeprefix(f"{program}-")
        taken = {*session.context.product.command_help, *(each.entry.name for each in survey(session))}
        if plugin in taken or plugin == program:
            raise NotPossibleError(f"there is a plugin or command {plugin} already; take another name")
        return cls(Path(name), name, module, plugin)

    def renamed(self, text: str) -> str:
        """The template's text, with this package's names."""
        names = {"sst-example": self.distribution, "sst_example": self.module, "example": self.plugin}
        # In one pass, since a new name may have one of the template's in it.
        return re.sub(r"sst[-_]example|\bexample\b", lambda found: names[found[0]], text)


def write_package(package: NewPackage) -> list[str]:
    """Write it into the working directory, whole or not at all, and return the paths.

    Raises :class:`NotPossibleError` where something is called so, and :class:`SstError` where it can't be written.
    """
    require_folder(working_folder())
    if os.path.lexists(package.folder):
        raise NotPossibleError(f"there is something called {package.folder} here, and it stays as it is")
    try:
        # Beside it, so that it can be renamed; in one more, since a temporary folder is for its user alone.
        with TemporaryDirectory(prefix=f".{package.folder}-", dir=package.folder.parent) as temporary:
            written = Path(temporary, package.folder)
            files = [str(package.folder / path) for path in _written(package, written)]
            written.rename(package.folder)
    except OSError as error:
        raise SstError(f"{package.folder} can't be written: {error.strerror}. Nothing of it is there.") from None
    return files


def _written(package: NewPackage, folder: Path) -> Iterator[Path]:
    """Write all of it into `folder`, and give the path of each file in it."""
    for source in sorted(TEMPLATE.rglob("*")):
        name = str(source.relative_to(TEMPLATE))
        if source.is_file() and not _CACHE.search(name):
            path = Path(package.renamed(name))
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(package.renamed(source.read_text(encoding="utf-8")), encoding="utf-8")
            yield path
