"""What sending needs beyond what a command has imported: whoever asked is told in words which part is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from sst_core import Product, SstError


@contextmanager
def needed(product: Product) -> Iterator[None]:
    """Raise SstError for what can't be imported in here: what it is, and what to do.

    A file that is torn, or of another version, is no ImportError; what such an error says may be anything. What the
    system refuses, too many open files or too little memory, passes, and goes on to the caller.
    """
    try:
        yield
    except (SstError, OSError, MemoryError):
        raise
    except Exception as error:
        what = str(error) if isinstance(error, ImportError) else type(error).__name__
        raise SstError(
            f"A part of {product.name} can't be imported: {what}. Install {product.distribution} again."
        ) from error
