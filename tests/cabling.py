"""A cable between a collector and its warehouse: it can be stalled, in both directions or in one, and cut."""

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass
class Cable:
    """Passes on what arrives at `port` of loopback, to another port of it."""

    to: int
    sent: int = 0
    """Bytes that went to the warehouse."""
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _open: list[socket.socket] = field(default_factory=list)
    _there: threading.Event = field(default_factory=threading.Event)
    _back: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.flow()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it begins."""
        return int(self._listener.getsockname()[1])

    def flow(self) -> None:
        """Pass everything on: what is in it first."""
        self._there.set()
        self._back.set()

    def stall(self) -> None:
        """Pass nothing on, and keep every connection."""
        self._there.clear()
        self._back.clear()

    def lose_answers(self) -> None:
        """Pass on what the collector says, and nothing of what the warehouse does."""
        self._there.set()
        self._back.clear()

    def cut(self) -> None:
        """End every connection. New ones are as before."""
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def close(self) -> None:
        """Cut it for good."""
        self.flow()
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self.to))
                except OSError:
                    near.close()
                    continue
                self._open += [near, far]
                for one, other, may in ((near, far, self._there), (far, near, self._back)):
                    threading.Thread(target=self._pass_on, args=(one, other, may), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket, may: threading.Event) -> None:
        with suppress(OSError):
            while piece := one.recv(65536):
                may.wait()
                if may is self._there:
                    self.sent += len(piece)
                other.sendall(piece)
            other.shutdown(socket.SHUT_WR)
