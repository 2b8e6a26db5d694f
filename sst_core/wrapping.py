"""A wrapper around what a provider does: called as pluggy calls it, the old way or the new, and named if it fails.

pluggy itself would call the implementations of everybody, or leave out what a plugin wraps together with what it
implements; and of an exception it doesn't say whose it is. Imported only where something is wrapped.
"""

from collections.abc import Callable, Generator, Sequence
from typing import cast

import pluggy
import typer

from sst_core.errors import PluginError, SstError, described, is_interrupt
from sst_core.project import ProviderResult, answer_of
from sst_core.terminal import printable


def wrapped(
    wrapper: pluggy.HookImpl,
    handed: Sequence[object],
    inner: Callable[[], ProviderResult | None],
    failing: Callable[[str], str],
) -> ProviderResult | None:
    """What `wrapper`, called with `handed`, makes of what `inner` answers or raises.

    What `inner` raises goes through as it is. Any exception of the wrapper's own is a :class:`PluginError`, with the
    words that `failing` makes of it; an :class:`SstError` and `typer.Abort` stay what they are.
    """
    inside: BaseException | None = None

    def noted() -> pluggy.Result[ProviderResult | None]:
        nonlocal inside
        outcome = pluggy.Result.from_call(inner)
        inside = outcome.exception
        return outcome

    try:
        return answer_of(_called(wrapper, handed, noted))
    except (SstError, typer.Abort, SystemExit):
        raise
    except BaseException as error:
        if is_interrupt(error) or error is inside:
            raise
        raise PluginError(failing(printable(described(error)))) from error


def _called(
    wrapper: pluggy.HookImpl, handed: Sequence[object], inner: Callable[[], pluggy.Result[ProviderResult | None]]
) -> object:
    around = cast(Generator[None, object, object], wrapper.function(*handed))
    try:
        next(around)
    except StopIteration:
        raise RuntimeError("it has to yield once") from None
    outcome = inner()
    try:
        if wrapper.hookwrapper:
            around.send(outcome)
        elif outcome.exception is not None:
            around.throw(outcome.exception)
        else:
            around.send(outcome.get_result())
    except StopIteration as end:
        return outcome.get_result() if wrapper.hookwrapper else end.value
    around.close()
    raise RuntimeError("it has to yield once")
