"""Files that somebody else can write too."""

import grp
import os
from pathlib import Path

import pytest


def share_with_a_group(path: Path) -> None:
    """Let a group that is not the user's own alone write the file."""
    own = os.getegid()
    groups = [group.gr_gid for group in grp.getgrall()] if os.geteuid() == 0 else os.getgroups()
    group = next((each for each in groups if each != own), None)
    if group is None:
        pytest.skip("this user is in no group but its own")
    os.chown(path, -1, group)
    path.chmod(0o660)
