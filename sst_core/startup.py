"""Starting up without the garbage collector: nothing that is imported then is garbage before the process ends."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Switch the garbage collector off, and at the end freeze what has been imported, so that no later run looks at it.

    Otherwise it runs a dozen times while modules are imported, and twice more when the process ends: a tenth of a short
    command's time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
