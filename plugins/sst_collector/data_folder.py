"""The data folder: made private, and used by one collector at a time."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sst_core import ConfigurationError, held_if_free


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold `folder`, made if need be, for this process. Raises :class:`ConfigurationError`."""
    with ExitStack() as stack:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            mine = stack.enter_context(held_if_free(folder / "lock"))
        except OSError as error:
            raise ConfigurationError(
                f"The data folder {folder} can't be used: {error.strerror}. Name another with --data."
            ) from None
        if not mine:
            raise ConfigurationError(
                f"The data folder {folder} is in use by another collector. Stop that one, or name another with --data."
            )
        yield
