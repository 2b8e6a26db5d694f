"""The processes that a function has: as many as there are events at one time, and new ones when its code changes."""

import os
import threading
from contextlib import suppress
from pathlib import Path

from sst_aws.live.functions import Function
from sst_aws.live.runtime import Answer, Environment, Say, failure


class Pool:
    """The environments of one function: as many as there are events at a time, anew when its code changes."""

    MOST = 10

    def __init__(self, function: Function, region: str, say: Say) -> None:
        self._function, self._region, self._say = function, region, say
        self._idle: list[Environment] = []
        self._all: set[Environment] = set()
        self._lock = threading.Lock()
        self._free = threading.Semaphore(self.MOST)
        self._seen = fingerprint(function.folders[0])

    def invoke(self, event: bytes) -> Answer:
        """Have an environment answer."""
        with self._free:
            self._reload_if_changed()
            try:
                environment, seen = self._one()
            except OSError as error:
                why = f"{self._function.folders[0]}: {error.strerror}"
                return failure("Runtime.InvalidEntrypoint", f"{self._function.name} can't be started, {why}")
            try:
                return environment.invoke(event)
            finally:
                self._give_back(environment, seen)

    def end(self) -> None:
        """End every environment."""
        with self._lock:
            every, self._all, self._idle = self._all, set(), []
        for environment in every:
            environment.end()

    def _one(self) -> tuple[Environment, object]:
        """An environment that is free, and what its code looked like when it was started."""
        with self._lock:
            while self._idle:
                environment = self._idle.pop()
                if environment.is_alive:
                    return environment, self._seen
                self._all.discard(environment)
                environment.end()
            environment = Environment(self._function, self._region, self._say)
            self._all.add(environment)
            return environment, self._seen

    def _give_back(self, environment: Environment, seen: object) -> None:
        with self._lock:
            if environment not in self._all:
                return
            if environment.is_alive and seen == self._seen:
                self._idle.append(environment)
                return
            self._all.discard(environment)
        environment.end()

    def _reload_if_changed(self) -> None:
        with self._lock:
            now = fingerprint(self._function.folders[0])
            if now == self._seen:
                return
            self._seen = now
            old, self._idle = self._idle, []
            self._all -= set(old)
        for environment in old:
            environment.end()
        self._say(f"{self._function.name} is loaded anew: its code has changed")


def fingerprint(folder: Path) -> frozenset[tuple[str, int, int]]:
    """What tells whether the code in `folder` has changed: the names, times and sizes of its files."""
    found = set()
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        for name in files:
            with suppress(OSError):  # it has just been replaced
                status = os.stat(os.path.join(root, name))  # noqa: PTH116, PTH118 - on the way of each request
                found.add((os.path.join(root, name), status.st_mtime_ns, status.st_size))  # noqa: PTH118
    return frozenset(found)
