"""Starting up without the garbage collector: nothing that is imported then is garbage before the process ends."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage meanwhile, and spare for good what is there at the end.

    It would be gone through a dozen times while modules are imported, and twice more when the process ends: a tenth of
    a short command's time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
