"""What happens on the disk and on the wire, told as it happens: kills are aimed at it, and the truth is known by it."""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from inotify_simple import INotify, flags

from sst_core.testing import Machine

_RUN = r"\d{20}-[0-9a-f]{32}"

ON_DISK = {
    "command: its file is made": ("queue", flags.CREATE, rf"\.{_RUN}\.json"),
    "command: its run has reached the queue": ("queue", flags.MOVED_TO, rf"{_RUN}\.json"),
    "sender: it has the lock": ("state", flags.MODIFY, r"telemetry\.lock"),
    "sender: a run is given its week": ("queue", flags.MOVED_TO, rf"{_RUN}\.\d{{4}}-W\d\d\.json"),
    "sender: its batch is kept": ("telemetry", flags.MOVED_TO, r"last-batch\.ndjson"),
    "sender: its state is kept": ("telemetry", flags.MOVED_TO, r"delivery\.json"),
    "sender: a run is removed": ("queue", flags.DELETE, rf"{_RUN}\..*"),
    "collector: a segment is made": ("journal", flags.CREATE, r".*\.ndjson"),
    "collector: a segment is deleted": ("journal", flags.DELETE, r".*\.ndjson"),
    "collector: the warehouse's log is made": ("data", flags.CREATE, r"warehouse\.duckdb\.wal"),
    "collector: the warehouse's log is deleted": ("data", flags.DELETE, r"warehouse\.duckdb\.wal"),
    "collector: a snapshot is out": ("data", flags.MOVED_TO, r"snapshot\.json"),
}
"""Each with its folder, what happens there, and to which names."""

ON_WIRE = (
    "sender: its request has come",
    "sender: its request is answered",
    "collector: a request is handed to it",
    "collector: it has answered",
)

REACHED = "command: its run has reached the queue"

Act = Callable[[], bool]
"""Does something, and says whether that could be done: else it is tried again when the same happens again."""


@dataclass(slots=True)
class Moments:
    """Whoever waits for a moment has something done in it, at once, in the thread that sees it."""

    seen: Counter[str] = field(default_factory=Counter)
    reached: set[str] = field(default_factory=set)
    """The session ids of all runs whose file got its final name: the truth that the numbers are compared with."""
    _armed: dict[str, list[tuple[Act, threading.Event]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def happened(self, moment: str) -> None:
        """Do what was to be done now."""
        with self._lock:
            self.seen[moment] += 1
            self._armed[moment] = [(act, done) for act, done in self._armed.get(moment, ()) if not _did(act, done)]

    def act_at(self, moment: str, act: Act, seconds: float) -> bool:
        """Have `act` done when that happens next, and wait for it. Whether it was done in time."""
        armed = (act, threading.Event())
        with self._lock:
            self._armed.setdefault(moment, []).append(armed)
        done = armed[1].wait(seconds)
        with self._lock:
            if armed in self._armed[moment]:
                self._armed[moment].remove(armed)
        return done

    def of(self, victim: str) -> list[str]:
        """The moments at which this one may be killed."""
        return [moment for moment in (*ON_DISK, *ON_WIRE) if moment.startswith(victim)]


def _did(act: Act, done: threading.Event) -> bool:
    if act():
        done.set()
        return True
    return False


@contextmanager
def watching(moments: Moments, machine: Machine, data: Path | None = None) -> Iterator[None]:
    """Tell `moments` what happens in the folders of a machine, and of a collector. They have to be there."""
    folders = {"queue": machine.queue, "telemetry": machine.telemetry, "state": machine.state}
    if data is not None:
        folders |= {"data": data, "journal": data / "journal"}
    with INotify() as inotify:
        watched = {_watch(inotify, place, path): place for place, path in folders.items()}
        closing = threading.Event()
        lost: list[object] = []
        thread = threading.Thread(target=_tell, args=(inotify, watched, moments, closing, lost), daemon=True)
        thread.start()
        try:
            yield
        finally:
            closing.set()
            thread.join()
        assert not lost, f"the system lost events: {lost}"


def _watch(inotify: INotify, place: str, path: Path) -> int:
    mask = 0
    for where, flag, _ in ON_DISK.values():
        mask |= flag if where == place else 0
    watch: int = inotify.add_watch(path, mask)
    return watch


def _tell(
    inotify: INotify, watched: Mapping[int, str], moments: Moments, closing: threading.Event, lost: list[object]
) -> None:
    while True:
        last = closing.is_set()  # before the events are read: what has happened until now is among them
        for event in inotify.read(timeout=0 if last else 50):
            if event.mask & flags.Q_OVERFLOW:
                lost.append(event)
            for moment, (place, flag, name) in ON_DISK.items():
                if watched.get(event.wd) == place and event.mask & flag and re.fullmatch(name, event.name):
                    if moment == REACHED:
                        moments.reached.add(event.name[21:53])
                    moments.happened(moment)
        if last:
            return
