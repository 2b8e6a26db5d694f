"""What every tool of AWS's is told through its environment."""

import os
from collections.abc import Mapping

from sst_core import Options


def for_tool(options: Options, **own: str) -> Mapping[str, str]:
    """The process's own environment, with the region and the profile under the names that AWS's tools look at, and
    with what the tool is to be told of its `own`."""
    told = {"AWS_REGION": options.region, "AWS_DEFAULT_REGION": options.region, "AWS_PROFILE": options.profile}
    return {**os.environ, **{name: value for name, value in told.items() if value}, **own}
