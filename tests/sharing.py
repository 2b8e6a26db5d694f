"""Files that somebody else can write too."""

import grp
import os
import struct
import sys
from pathlib import Path

import pytest

from required_programs import absent


def share_with_a_group(path: Path) -> None:
    """Let a group that is not the user's own alone write the file."""
    own = os.getegid()
    groups = [group.gr_gid for group in grp.getgrall()] if os.geteuid() == 0 else os.getgroups()
    group = next((each for each in groups if each != own), None)
    if group is None:
        absent("this user is in no group but its own")
    os.chown(path, -1, group)
    path.chmod(0o660)


def share_by_access_list(path: Path) -> None:
    """Let one other user write the file, as `setfacl -m u:1234:rw` does."""
    if sys.platform != "linux":
        pytest.skip("only Linux shows an ACL in a file's mode")
    # As linux/posix_acl_xattr.h has them: the owner, a user, the group, the most that these two may, everybody else.
    rights = [(1, "rw", None), (2, "rw", 1234), (4, "r", None), (16, "rw", None), (32, "r", None)]
    entries = [struct.pack("<HHi", tag, 6 if "w" in may else 4, user or -1) for tag, may, user in rights]
    try:
        os.setxattr(path, "system.posix_acl_access", struct.pack("<I", 2) + b"".join(entries))
    except OSError:
        absent("this file system has no ACLs")
