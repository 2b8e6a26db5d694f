"""What sending needs beyond what a command has imported: whoever asked is told in words which part is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from sst_core import Product, SstError


@contextmanager
def needed(product: Product) -> Iterator[None]:
    """Raise SstError for what can't be imported in here: what it is, and what to do."""
    try:
        yield
    except ImportError as error:
        what = f"A part of {product.name} can't be imported: {error}."
        raise SstError(f"{what} Install {product.distribution} again.") from error
