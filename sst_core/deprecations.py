"""What a plugin uses that is to go, as a line for its author who debugs. Users never import this."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sst_core.terminal import say


@contextmanager
def telling_deprecations(who: str) -> Iterator[None]:
    """Say each warning of what is done meanwhile in a line that says who it is about, which Python's own does not."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for each in caught:
        say(f"{who}: {each.message} ({Path(each.filename).name}:{each.lineno})")
