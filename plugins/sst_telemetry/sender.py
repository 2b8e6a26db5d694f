"""The detached sender: `python -m sst_telemetry.sender module:product`. It lives for at most `LIFETIME` seconds."""

import os
import signal
import sys
import threading
from importlib import import_module

from sst_core import Consent, Product, SstError, ci_name
from sst_telemetry.delivery import Delivery

LIFETIME = 10.0
"""In seconds, whatever the network does."""


def main(target: str) -> None:
    """Deliver what is queued for the Product at `target`, and say nothing: nobody is there to read it."""
    _bound_lifetime()
    os.chdir("/")  # the folder that the command ran in may be unmounted or deleted while this runs
    # Beside the standard streams a command may have been handed a pipe, and whoever reads it waits for all its ends.
    os.closerange(3, min(max(os.sysconf("SC_OPEN_MAX"), 256), 1 << 20) if hasattr(os, "sysconf") else 256)
    module, _, attribute = target.partition(":")
    product = getattr(import_module(module), attribute)
    assert isinstance(product, Product)
    try:
        # A sender has no project to ask: each queued run was recorded under its own project's consent.
        Delivery(Consent(product, os.environ, folder=None, ci=ci_name(os.environ))).run()
    except (OSError, SstError):
        return  # what could not be sent is still queued


def _bound_lifetime() -> None:
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, LIFETIME)
        return
    timer = threading.Timer(LIFETIME, os._exit, (0,))
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    main(sys.argv[1])
