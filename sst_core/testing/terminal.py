"""A command on a terminal of its own: what is typed, and what a person saw."""

import os
import select
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from sst_core.records import Record

PATIENCE = 30.0
"""Seconds after which something that should have happened is taken for hanging."""
_RESTING = 3
"""How many times in a row a process has to be found asleep to be taken for waiting."""


class Screen(Record):
    """What a person saw, and how it ended."""

    exit_code: int
    text: str


@dataclass
class Terminal:
    """A command on a terminal of its own."""

    process: subprocess.Popen[bytes]
    descriptor: int
    written: bytes = b""
    """What it has written until now."""

    @property
    def text(self) -> str:
        """What is on the screen."""
        # Of the whole: what is read at once may end within a character, or within the end of a line.
        return self.written.decode(errors="replace").replace("\r\n", "\n")

    def type(self, keys: str) -> None:
        """Type `keys`, once the command rests, where that can be seen (on Linux): `\\x03` is Ctrl-C.

        A Ctrl-C that comes after a prompt and before the read behind it does nothing until the next key: Python looks
        at signals when the read is over.
        """
        rested = 0
        deadline = time.monotonic() + PATIENCE
        while rested < _RESTING and time.monotonic() < deadline:
            rested = rested + 1 if _sleeps(self.process.pid) else 0
            time.sleep(0.01)
        os.write(self.descriptor, keys.encode())

    def wait_for(self, text: str, patience: float = PATIENCE) -> None:
        """Read until `text` is on the screen; after `patience` seconds it never will be."""
        deadline = time.monotonic() + patience
        while text not in self.text:
            assert time.monotonic() < deadline, f"never saw {text!r} in {self.text!r}"
            if not self._read(patience):
                assert text in self.text, f"ended without {text!r}: {self.text!r}"

    def end(self) -> Screen:
        """Read until the command has ended."""
        while self._read():
            pass
        code = self.process.wait(PATIENCE)
        os.close(self.descriptor)
        return Screen(code, self.text)

    def _read(self, patience: float = PATIENCE) -> bool:
        ready, _, _ = select.select([self.descriptor], [], [], patience)
        assert ready, f"nothing more came after {self.text!r}"
        try:
            data = os.read(self.descriptor, 65536)
        except OSError:  # Linux: the other end is closed
            return False
        self.written += data
        return bool(data)


def _sleeps(process: int) -> bool:
    try:
        # The name stands in brackets, and may hold anything: the state comes behind the last one.
        return Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] in ("S", "Z")
    except OSError:  # not Linux, or it has ended
        return True
