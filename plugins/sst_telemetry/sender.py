"""The detached sender: `python -m sst_telemetry.sender module:attribute`. It lives for at most `LIFETIME` seconds."""

# What is imported here is imported before the lifetime is bounded; the rest comes after, in `_deliver`.
import os
import signal
import sys
import threading

LIFETIME = 10.0
"""In seconds, whatever the network and the disk do."""


def main(target: str) -> None:
    """Deliver what is queued for the Product at `target`, and say nothing: nobody is there to read it."""
    _bound_lifetime()
    os.chdir("/")  # the folder that the command ran in may be unmounted or deleted while this runs
    _deliver(target)


def _bound_lifetime() -> None:
    if sys.platform != "win32" and hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, LIFETIME)
        return
    timer = threading.Timer(LIFETIME, os._exit, (0,))
    timer.daemon = True
    timer.start()


def _deliver(target: str) -> None:
    from sst_core import Consent, Product, SstError, ci_name
    from sst_telemetry.delivery import Delivery

    try:
        product = Product.at(target)
        # A sender has no project to ask: each queued run was recorded under its own project's consent.
        Delivery(Consent(product, os.environ, folder=None, ci=ci_name(os.environ))).run()
    except (OSError, SstError):
        return  # what could not be sent is still queued


if __name__ == "__main__":
    main(sys.argv[1])
