"""The site key: what turns the original client's permanent id into one that lasts for a week.

One key an ISO week, in a folder that all collectors of a site share: they have to hash a machine to the same id.
Whoever needs a week's key first makes it; in a collector's first round after the week it is deleted and can't come
back. After that nobody can tell which weekly ids were one machine's, whatever is kept or taken of the rows.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path

from sst_collector.weeks import Clock, shifted
from sst_core import ConfigurationError, held, read_own, sync_path, week_of, write_private

KEY_BYTES = 32
LOCK_SECONDS = 10.0
"""How long a collector waits for another that is making or deleting a key."""


class NoKeyYet(Exception):
    """This week's key is not in memory: :meth:`SiteKey.fetch` it, off the event loop."""


@dataclass(frozen=True, slots=True)
class _Key:
    week: str
    """The week in which it is used."""
    secret: bytes


class SiteKey:
    """The keys in `folder`, which may be on a disk that several machines share (its file locks have to work)."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._key: _Key | None = None

    def current(self) -> bytes:
        """This week's key. Raises :class:`NoKeyYet`."""
        key = self._key
        if key is None or key.week != week_of(self._clock()):
            raise NoKeyYet
        return key.secret

    def fetch(self) -> None:
        """Read this week's key into memory, making it if nobody has. Raises OSError and :class:`SstError`."""
        week = week_of(self._clock())
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with held(self._folder / "lock", LOCK_SECONDS):
            # A clock that is behind the other collectors' may still be in a week whose key is gone. Its runs will be
            # counted in the next week, so the next week's key is theirs.
            file = self._file(max(week, self.first_week()))
            secret = read_own(file)
            if secret is None or len(secret) != KEY_BYTES:
                secret = secrets.token_bytes(KEY_BYTES)
                write_private(file, secret)
        self._key = _Key(week, secret)

    def retire(self, before: str) -> None:
        """Delete the keys of the weeks before `before`, for good. Raises OSError and :class:`SstError`."""
        if self._key is not None and self._key.week < before:
            self._key = None
        if not self._keys(before):
            self.first_week()
            return
        with held(self._folder / "lock", LOCK_SECONDS):
            try:
                if self.first_week() < before:
                    write_private(self._folder / "retired", shifted(before, -1).encode())
            finally:
                # Even if the note can't be read, or the disk has no room for it: that a late clock makes a key for
                # that week anew is nothing beside a key that lasts.
                for file in self._keys(before):
                    file.unlink()
                sync_path(self._folder)

    def first_week(self) -> str:
        """The first week whose key was not deleted: the clocks of a site's collectors are never a week apart.

        Raises :class:`ConfigurationError` where it is further ahead. Some clock was wrong, and one key would otherwise
        last until that week comes.
        """
        file = self._folder / "retired"
        retired = read_own(file)
        try:
            first = shifted(retired.decode(), 1) if retired else ""
        except (ValueError, OverflowError):
            raise ConfigurationError(f"{file} is not what a collector wrote. Delete it.") from None
        if first > shifted(week_of(self._clock()), 1):
            raise ConfigurationError(
                f"A collector of this site, whose clock said {first}, has deleted the keys of the weeks before. Set "
                f"this machine's clock right. If it is, and that one was wrong, delete {self._folder}: "
                "the original client's machines of this week are then counted anew."
            )
        return first

    def _keys(self, before: str) -> list[Path]:
        return [file for file in self._folder.glob("*.key") if file.stem < before]

    def _file(self, week: str) -> Path:
        return self._folder / f"{week}.key"
