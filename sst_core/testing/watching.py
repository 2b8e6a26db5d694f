"""A plugin that writes down what each hook was called with, and gives it back as the records that it was called with.

In each hook it comes before all others and claims nothing, so other plugins see what they would see without it.
"""

import io
import os
import pickle
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from sst_core.hookspecs import hookimpl
from sst_core.invocation import Command, Context, Outcome
from sst_core.product import Product
from sst_core.project import Options, Project, ProviderResult
from sst_core.records import Record
from sst_core.testing.machine import Machine


class Invoked(Record):
    """`on_command_invoked`."""

    context: Context
    command: Command


class Finished(Record):
    """`on_command_finished`."""

    context: Context
    command: Command
    outcome: Outcome


class Asked(Record):
    """`detect_provider`."""

    context: Context
    root: Path
    settings: Mapping[str, Any]


class Provided(Record):
    """`build`, `start`, `deploy`, `remove` or `diff`."""

    action: str
    """Which of them."""
    context: Context
    project: Project
    options: Options


Call = Invoked | Finished | Asked | Provided
"""What a hook was called with."""


class Watcher(Record):
    """The plugin, installed on a machine."""

    log: Path

    @classmethod
    def on(cls, machine: Machine) -> "Watcher":
        """Install it."""
        log = machine.root / "watched"
        machine.plug(f"{__name__}:plugin", name="watcher")
        machine.environ["WATCHER_LOG"] = str(log)
        return cls(log)

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call in every run on the machine since the watcher was installed, in their order."""
        calls: list[Call] = []
        with io.BytesIO(self.log.read_bytes() if self.log.exists() else b"") as file:
            while file.tell() < len(file.getbuffer()):
                calls.append(pickle.load(file))  # noqa: S301 - the plugin below has written it
        return tuple(calls)

    @property
    def notified(self) -> tuple[Invoked | Finished, ...]:
        """The beginnings and the ends."""
        return tuple(call for call in self.calls if isinstance(call, Invoked | Finished))

    @property
    def invoked(self) -> tuple[Invoked, ...]:
        """The beginnings."""
        return tuple(call for call in self.calls if isinstance(call, Invoked))

    @property
    def finished(self) -> tuple[Finished, ...]:
        """The ends."""
        return tuple(call for call in self.calls if isinstance(call, Finished))

    @property
    def provided(self) -> tuple[Provided, ...]:
        """What providers were asked to do."""
        return tuple(call for call in self.calls if isinstance(call, Provided))

    def ending(self) -> tuple[tuple[str, ...], int, str]:
        """The path, exit code and result of the one command that was run."""
        (invoked,), (finished,) = self.invoked, self.finished
        assert invoked.command == finished.command
        assert finished.outcome.duration >= 0
        return finished.command.path, finished.outcome.exit_code, finished.outcome.result.value


class _Writer(pickle.Pickler):
    """A product has functions in its catalogue, which can't be written: it is written as the place it is found at."""

    def reducer_override(self, value: object) -> Any:
        return (Product.at, (value.target,)) if isinstance(value, Product) else NotImplemented


_Around = Generator[None, ProviderResult | None, ProviderResult | None]
"""A provider alone is asked to build: whoever watches is around it."""


class _Plugin:
    """What is installed."""

    @hookimpl(tryfirst=True)
    def on_command_invoked(self, context: Context, command: Command) -> None:
        _write(Invoked(context, command))

    @hookimpl(tryfirst=True)
    def on_command_finished(self, context: Context, command: Command, outcome: Outcome) -> None:
        _write(Finished(context, command, outcome))

    @hookimpl(tryfirst=True)
    def detect_provider(self, context: Context, root: Path, settings: Mapping[str, Any]) -> None:
        _write(Asked(context, root, settings))

    @hookimpl(wrapper=True, tryfirst=True)
    def build(self, context: Context, project: Project, options: Options) -> _Around:
        _write(Provided("build", context, project, options))
        return (yield)

    @hookimpl(wrapper=True, tryfirst=True)
    def start(self, context: Context, project: Project, options: Options) -> _Around:
        _write(Provided("start", context, project, options))
        return (yield)

    @hookimpl(wrapper=True, tryfirst=True)
    def deploy(self, context: Context, project: Project, options: Options) -> _Around:
        _write(Provided("deploy", context, project, options))
        return (yield)

    @hookimpl(wrapper=True, tryfirst=True)
    def remove(self, context: Context, project: Project, options: Options) -> _Around:
        _write(Provided("remove", context, project, options))
        return (yield)

    @hookimpl(wrapper=True, tryfirst=True)
    def diff(self, context: Context, project: Project, options: Options) -> _Around:
        _write(Provided("diff", context, project, options))
        return (yield)


def _write(call: Call) -> None:
    written = io.BytesIO()
    _Writer(written).dump(call)
    # Opened for each, and appended at once: commands may run at the same time.
    with open(os.environ["WATCHER_LOG"], "ab", buffering=0) as log:  # noqa: PTH123
        log.write(written.getvalue())


plugin = _Plugin()
