"""A collector as `sst collector serve` starts it, with another clock: a file beside its data folder says the time.

`python tests/clocked_collector.py collector serve --data FOLDER …` takes the words of a command line, and heeds the
folder alone.
"""

import sys
from datetime import datetime
from pathlib import Path

from sst_collector.server import Settings, serve_forever
from sst_core import SST

KEEP_DAYS = 31


def clock_of(data: Path) -> Path:
    """The file that says the time to the collector of this folder."""
    return data.with_name("clock")


def set_clock(data: Path, now: datetime) -> None:
    """Set it; the collector may run."""
    new = clock_of(data).with_suffix(".new")
    new.write_text(now.isoformat())
    new.replace(clock_of(data))


if __name__ == "__main__":
    folder = Path(sys.argv[sys.argv.index("--data") + 1])
    serve_forever(
        Settings(
            program=SST.name,
            catalogue=SST.catalogue,
            host="127.0.0.1",
            port=0,
            data=folder,
            min_machines=1,
            snapshot_every=1,
            keep_days=KEEP_DAYS,
            rate=0,
            proxies=(),
            site_key=None,
            tls=None,
            admin_port=None,
            warehouse=None,
        ),
        clock=lambda: datetime.fromisoformat(clock_of(folder).read_text()),
    )
