"""What is in the telemetry folder, beside what consent keeps there: `queue/` and the notice, of `Locations`.

No command that records imports this: what it needs of it, the stamp and the queue, are in the modules that it has.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Folder:
    """The paths in one telemetry folder. Nothing of it has to exist."""

    path: Path

    @property
    def secret(self) -> Path:
        """The machine's secret, of which the weekly ids are made."""
        return self.path / "secret"

    @property
    def delivery(self) -> Path:
        """What delivery remembers from one sender to the next."""
        return self.path / "delivery.json"

    @property
    def last_batch(self) -> Path:
        """The body of the last request."""
        return self.path / "last-batch.ndjson"

    @property
    def set_aside(self) -> Path:
        """The folder for what was in the queue and is no recorded run."""
        return self.path / "set-aside"

    @property
    def stamp(self) -> Path:
        """Its time is when a sender was last started; in CI, it is there for as long as one is going to look again."""
        from sst_telemetry.spawn import STAMP

        return self.path / STAMP

    @property
    def came(self) -> Path:
        """Its time is when a sender last came to its work."""
        from sst_telemetry.spawn import CAME

        return self.path / CAME

    @property
    def next_sender(self) -> Path:
        """In CI, held by the one sender that waits for the one at work."""
        return self.path / "sender-waits"

    @property
    def pending(self) -> Path:
        """The ids that collectors are still to be asked to forget: beside the folder, since they outlive it."""
        return self.path.with_name("forget.json")
