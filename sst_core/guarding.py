"""Keeping what is the command's own from a plugin's code for as long as that runs, and telling whose a failure was."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from sst_core.errors import PluginError, SstError, described, is_interrupt


@contextmanager
def kept_apart() -> Iterator[list[BaseException]]:
    """Keep a plugin's code from what is the command's, and give what its finalizers and threads raise meanwhile.

    What it prints goes to stderr, since stdout may be JSON. `os._exit` is an exception like `sys.exit`, and becoming
    another program too. Streams that it put in the place of these go when it ends. What its threads and processes do
    later, and what C code does, can't be held.
    """
    aside: list[BaseException] = []
    streams, hooks = (sys.stdout, sys.stderr), (sys.unraisablehook, threading.excepthook)
    endings = _Endings()

    def note(raised: "sys.UnraisableHookArgs | threading.ExceptHookArgs") -> None:
        aside.append(raised.exc_value or raised.exc_type())

    def note_of_a_thread(raised: "threading.ExceptHookArgs") -> None:
        if not issubclass(raised.exc_type, SystemExit):  # with which a thread may end
            note(raised)

    sys.stdout = sys.stderr
    sys.unraisablehook, threading.excepthook = note, note_of_a_thread
    endings.replace()
    try:
        yield aside
    finally:
        sys.stdout, sys.stderr = streams
        endings.restore()
        sys.unraisablehook, threading.excepthook = hooks


class _Endings:
    """The calls that end the process or make it another program, each an exception for as long as they are replaced."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._exit, self._execv, self._execve = os._exit, os.execv, os.execve
        self._are_replaced = False

    def replace(self) -> None:
        self._are_replaced = True
        os._exit, os.execv, os.execve = self.exit, self.execv, self.execve

    def restore(self) -> None:
        os._exit, os.execv, os.execve = self._exit, self._execv, self._execve
        self._are_replaced = False

    def exit(self, status: int) -> NoReturn:
        if self._is_free():
            self._exit(status)
        raise SystemExit(status)

    def execv(self, path: Any, argv: Any) -> NoReturn:
        if self._is_free():
            self._execv(path, argv)
        raise SystemExit

    def execve(self, path: Any, argv: Any, env: Any) -> NoReturn:
        if self._is_free():
            self._execve(path, argv, env)
        raise SystemExit

    def _is_free(self) -> bool:
        """Whoever kept one may call it later; and a fork may end as it likes."""
        return not self._are_replaced or os.getpid() != self._process


@contextmanager
def failing(what: str) -> Iterator[None]:
    """A provider's failure is the command's own, and is told as the provider's. Raises :class:`PluginError`.

    A no of the user's is no failure: `typer.Abort` is a RuntimeError, and goes through.
    """
    try:
        yield
    except (SstError, typer.Abort, SystemExit):
        raise
    except BaseException as error:
        if is_interrupt(error):
            raise
        raise PluginError(f"{what}: {described(error)}") from error
