"""What a plugin uses that is to go, as a line for its author who debugs. Users never import this."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sst_core.terminal import say


@contextmanager
def telling_deprecations(who: str) -> Iterator[None]:
    """Print each warning raised meanwhile as a line that begins with `who`: Python's own doesn't name the plugin."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for each in caught:
        say(f"{who}: {each.message} ({Path(each.filename).name}:{each.lineno})")
