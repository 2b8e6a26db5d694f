"""The weekly id: one value a machine a week, that nobody but the machine can link to the next."""

import hmac
import os
from contextlib import suppress
from pathlib import Path

from sst_core import ConfigurationError, RandomId, read_own, write_private
from sst_telemetry.folder import Folder

_SECRET_BYTES = 32


def weekly_id(secret: bytes, week: str) -> str:
    """HMAC-SHA256 of the week under the machine's secret, cut to the catalogue's length."""
    return hmac.digest(secret, week.encode(), "sha256")[: RandomId.BYTES].hex()


def random_id() -> str:
    """The id of a run in CI, where every run would look like a new machine: it stands for nothing."""
    return os.urandom(RandomId.BYTES).hex()


def machine_secret(telemetry: Path) -> bytes:
    """The secret of this machine, made when it is first needed. Raises OSError and ConfigurationError.

    `telemetry` has to be there: without consent there is none, and then no secret either.
    """
    secret = stored_secret(telemetry)
    if secret is not None:
        return secret
    if not telemetry.is_dir():
        raise FileNotFoundError(telemetry)
    return _make_secret(telemetry)


def _make_secret(telemetry: Path) -> bytes:
    """Of several that make one at the same moment, all get the same: two would be two machines."""
    path, secret = Folder(telemetry).secret, os.urandom(_SECRET_BYTES)
    own = path.with_name(f".{path.name}-{random_id()}")
    write_private(own, secret)
    try:
        os.link(own, path)
    except FileExistsError:
        made = stored_secret(telemetry)
        if made is not None:
            return made
        own.replace(path)  # what was there is torn
    except OSError:  # a file system that has no links
        own.replace(path)
    finally:
        own.unlink(missing_ok=True)
    return secret


def drop_secret(telemetry: Path) -> None:
    """From now on this is another machine. Raises OSError."""
    Folder(telemetry).secret.unlink(missing_ok=True)


def secret_for_looking(telemetry: Path) -> tuple[bytes, bool]:
    """The stored secret, or one for this once, and whether it is that: to look at what is queued leaves no id on the
    disk."""
    with suppress(ConfigurationError):
        if (stored := stored_secret(telemetry)) is not None:
            return stored, False
    return os.urandom(_SECRET_BYTES), True


def stored_secret(telemetry: Path) -> bytes | None:
    """The secret if this machine has one. Raises ConfigurationError for one that can't be trusted."""
    secret = read_own(Folder(telemetry).secret)
    return secret if secret is not None and len(secret) == _SECRET_BYTES else None
