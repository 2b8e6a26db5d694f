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
    leave, become, become_with = functions = os._exit, os.execv, os.execve
    process, is_over = os.getpid(), False

    def is_free() -> bool:
        return is_over or os.getpid() != process  # whoever kept it calls it later; or a fork ends, as it may

    def stay(status: int) -> NoReturn:
        if is_free():
            leave(status)
        raise SystemExit(status)

    def remain(path: Any, argv: Any) -> NoReturn:
        if is_free():
            become(path, argv)
        raise SystemExit

    def remain_with(path: Any, argv: Any, env: Any) -> NoReturn:
        if is_free():
            become_with(path, argv, env)
        raise SystemExit

    def note(raised: "sys.UnraisableHookArgs | threading.ExceptHookArgs") -> None:
        aside.append(raised.exc_value or raised.exc_type())

    def note_of_a_thread(raised: "threading.ExceptHookArgs") -> None:
        if not issubclass(raised.exc_type, SystemExit):  # with which a thread may end
            note(raised)

    sys.stdout, os._exit, os.execv, os.execve = sys.stderr, stay, remain, remain_with
    sys.unraisablehook, threading.excepthook = note, note_of_a_thread
    try:
        yield aside
    finally:
        (sys.stdout, sys.stderr), (os._exit, os.execv, os.execve), is_over = streams, functions, True
        sys.unraisablehook, threading.excepthook = hooks


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
