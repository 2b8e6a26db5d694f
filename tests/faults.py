"""Everything that can be wrong with the collector, the network, the disk and the clock: each by itself, and mended."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from consenting import Consenting
from loopback import (
    Answer,
    Flood,
    Loopback,
    Request,
    accounting,
    answer,
    dripping_bytes,
    hanging,
    late,
    raw,
    refusing,
)
from proxying import Authority
from required_programs import absent
from sst_core.testing import PROGRAM, Machine
from sst_telemetry.delivery import UNUSABLE_SETTINGS
from sst_telemetry.state import DeliveryState, write_state

TASK = '["sh", "-c", "echo out; echo err >&2; exit 3"]'
YEAR = 365 * 24 * 3600

Mend = Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Staged:
    """A machine on which something is wrong."""

    url: str
    """Where events are to go."""
    mend: Mend
    """Puts it right, and says what the user has to change about the environment for that."""
    collector: Loopback
    """Where they go in the end."""
    program: tuple[str, ...] = (str(PROGRAM),)
    """How a command is started there."""
    has_begun: Callable[[], bool] | None = None
    """Where only the end of its life ends what a sender waits for: whether it has come to that point."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the matrix."""

    stage: Callable[[Machine, ExitStack], Staged]
    said: str | None
    """What `sst telemetry` says of the last delivery; None if no request is made."""
    fate: str = "kept, and arrive once it works again"
    """What becomes of the runs, in words."""
    backs_off: bool = True
    waits: int = 29
    """How long at least, in seconds: half a minute for a first failure, less what a note is rounded by."""
    records: bool = True
    """Whether the run itself can be recorded."""
    shows: bool = True
    """Whether a person can be shown the notice: not where it can't be noted that they were."""
    shows_in_ci: bool = True
    drops: bool = False
    """Whether the runs that were queued before are over the bounds."""
    deletes: bool = False
    """Whether somebody deletes the runs that are queued."""
    is_here: bool = False
    """Whether it is wrong on the machine itself, where a command meets it that makes no request."""


def _answering(reply: Answer) -> Callable[..., Staged]:
    def stage(_machine: Machine, stack: ExitStack) -> Staged:
        collector = _collector(stack)
        collector.otherwise = reply
        return Staged(collector.url, lambda: _well(collector), collector)

    return stage


def _collector(stack: ExitStack) -> Loopback:
    collector = Loopback()
    stack.callback(collector.close)
    return collector


def _well(collector: Loopback) -> Mapping[str, str]:
    collector.otherwise = accounting()
    collector.requests.clear()
    return {}


def _up(_machine: Machine, stack: ExitStack) -> Staged:
    collector = _collector(stack)
    return Staged(collector.url, dict, collector)


def _refused(_machine: Machine, stack: ExitStack) -> Staged:
    bound, url = refusing()
    stack.callback(bound.close)
    # It listens from the moment on when it is mended, at the same address.
    collector = _collector(stack)

    def mend() -> Mapping[str, str]:
        bound.listen()
        stack.callback(Loopback(_listener=bound, requests=collector.requests).close)
        return {}

    return Staged(url, mend, collector)


def _redirecting(_machine: Machine, stack: ExitStack) -> Staged:
    collector, elsewhere = _collector(stack), _collector(stack)
    collector.otherwise = answer(307, headers={"Location": elsewhere.url})

    def mend() -> Mapping[str, str]:
        assert elsewhere.requests == [], "a redirect is not followed"
        return _well(collector)

    return Staged(collector.url, mend, collector)


def _unknown_authority(machine: Machine, stack: ExitStack) -> Staged:
    authority = Authority.at(machine.home.parent / "authority.pem")
    collector = Loopback(tls=authority.server)
    stack.callback(collector.close)
    return Staged(collector.url, lambda: {"SSL_CERT_FILE": str(authority.file)}, collector)


def _unusable_proxy(machine: Machine, stack: ExitStack) -> Staged:
    authority = Authority.at(machine.home.parent / "authority.pem")
    collector = Loopback(tls=authority.server)
    stack.callback(collector.close)
    # That kind of proxy needs a package that nobody has by default.
    machine.environ.update({"ALL_PROXY": "socks5://me:secret@127.0.0.1:1", "SSL_CERT_FILE": str(authority.file)})
    return Staged(collector.url, lambda: {"ALL_PROXY": ""}, collector)


def _elsewhere(url: str) -> Callable[..., Staged]:
    """An address at which nobody ever is: it is mended by another."""

    def stage(_machine: Machine, stack: ExitStack) -> Staged:
        collector = _collector(stack)
        return Staged(url, lambda: {"SST_TELEMETRY_URL": collector.url}, collector)

    return stage


def _asking(machine: Machine, host: str) -> tuple[str, ...]:
    """The program, with the name server there and no other."""
    configuration = machine.home.parent / "resolv.conf"
    configuration.write_text(f"nameserver {host}\n")
    return apart("--mount", f"mount --bind {configuration} /etc/resolv.conf")


def _no_name_server(machine: Machine, stack: ExitStack) -> Staged:
    """Nobody answers there: how soon the one of the machine that the tests run on does, is no matter of ours."""
    staged = _elsewhere("https://collector.invalid/events")(machine, stack)
    return replace(staged, program=_asking(machine, "127.255.255.53"))


def _silent_name_server(machine: Machine, stack: ExitStack) -> Staged:
    server = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    host = f"127.{os.getpid() >> 8 & 255}.{os.getpid() & 255}.53"
    try:
        server.bind((host, 53))
    except PermissionError:
        absent("a name server's port may not be had here")
    server.setblocking(False)
    program = _asking(machine, host)

    def asked() -> bool:
        try:
            return bool(server.recv(4096))
        except BlockingIOError:
            return False

    staged = _elsewhere("https://collector.example/events")(machine, stack)
    return replace(staged, program=program, has_begun=asked)


def _no_network(_machine: Machine, stack: ExitStack) -> Staged:
    collector = _collector(stack)
    return Staged(collector.url, dict, collector, program=apart("--net", "true"))


def _full_disk(machine: Machine, stack: ExitStack) -> Staged:
    collector = _collector(stack)
    state = machine.home / ".local" / "state"
    kept = machine.home / "kept"
    if not _mount(state, kept, stack):
        # A limit of no bytes for any file stands in for it.
        return Staged(collector.url, dict, collector, program=("sh", "-c", 'ulimit -f 0; exec "$0" "$@"', str(PROGRAM)))
    ballast = state / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b" " * 4096)

    def mend() -> Mapping[str, str]:
        ballast.unlink()
        return {}

    return Staged(collector.url, mend, collector)


def _mount(state: Path, kept: Path, stack: ExitStack) -> bool:
    """A small disk at `state`, with what was there on it; False where no disk may be mounted."""
    if state.exists():
        shutil.copytree(state, kept)
    state.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "sst-tests", str(state)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        return False
    stack.callback(lambda: subprocess.run(["umount", "--lazy", str(state)], check=True))
    if kept.exists():
        shutil.copytree(kept, state, dirs_exist_ok=True)
    return True


def _read_only_home(machine: Machine, stack: ExitStack) -> Staged:
    collector = _collector(stack)
    if os.geteuid() == 0:  # whom no mode keeps from writing
        read_only = f"mount --bind {machine.home} {machine.home} && mount -o remount,ro,bind {machine.home}"
        return Staged(collector.url, dict, collector, program=apart("--mount", read_only))
    folders = [machine.home, *(path for path in machine.home.rglob("*") if path.is_dir())]

    def set_modes(mode: int) -> None:
        for folder in folders:
            folder.chmod(mode)

    set_modes(0o500)
    stack.callback(set_modes, 0o700)

    def mend() -> Mapping[str, str]:
        set_modes(0o700)
        return {}

    return Staged(collector.url, mend, collector)


def _queue_deleted_by_the_task(machine: Machine, stack: ExitStack) -> Staged:
    machine.project(f'build = ["sh", "-c", "rm -rf {machine.queue}; echo out; echo err >&2; exit 3"]')
    collector = _collector(stack)
    return Staged(collector.url, dict, collector)


def _queue_deleted_by_the_answer(machine: Machine, stack: ExitStack) -> Staged:
    collector = _collector(stack)

    def deleting(connection: socket.socket, request: Request) -> bool:
        shutil.rmtree(machine.queue)
        return accounting()(connection, request)

    collector.otherwise = deleting
    return Staged(collector.url, dict, collector)


def _clock_set(seconds: int) -> Callable[..., Staged]:
    """The clock jumps, for the command and all that it starts, after a failure put delivery off."""

    def stage(machine: Machine, stack: ExitStack) -> Staged:
        library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
        if library is None:
            absent("libfaketime is not installed")
        if machine.telemetry.is_dir():
            write_state(machine.telemetry, DeliveryState(failures=1, not_before=time.time() + 60))
            Consenting(machine).hold_back_senders()
        (machine.home / ".faketimerc").write_text(f"{seconds:+d}\n")
        # The sender's environment has no LD_PRELOAD, so it is for every program there.
        etc = machine.home.parent / "etc"
        preload = f"cp -a /etc {etc} && echo {library} > {etc}/ld.so.preload && mount --bind {etc} /etc"
        collector = _collector(stack)
        return Staged(collector.url, dict, collector, program=apart("--mount", preload))

    return stage


def apart(namespace: str, script: str) -> tuple[str, ...]:
    """`sst` in a namespace of its own, after `script`; skips where that is not allowed."""
    unshare = ("unshare", namespace, *(() if os.geteuid() == 0 else ("--map-root-user",)))
    if (
        shutil.which("unshare") is None
        or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode
    ):
        absent("no namespace may be made here")
    return (*unshare, "sh", "-c", f'{{ {script}; }} && exec "$0" "$@"', str(PROGRAM))


HALF = raw(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"accepted": 10, "rejected": []}')
PAGE = answer(200, b"<html>You are online!</html>", {"Content-Type": "text/html"})
ARRIVE = "arrive"
DROPPED = "earlier ones are out of bounds, dropped and counted; this one arrives"

UP = "the collector is up"
HANGS = "it accepts a request and hangs"

FAULTS: dict[str, Fault] = {
    UP: Fault(_up, "200", ARRIVE, backs_off=False),
    "it refuses connections": Fault(_refused, "connection refused"),
    HANGS: Fault(_answering(hanging), "timed out"),
    "its answer comes at 1 byte per second": Fault(_answering(dripping_bytes), "it took too long"),
    "its answer comes after 30 seconds": Fault(_answering(late(30)), "timed out"),
    "it closes the connection within its answer": Fault(_answering(HALF), "no whole HTTP answer"),
    "it answers 500": Fault(_answering(answer(500)), "500"),
    "it answers 503 with Retry-After": Fault(
        _answering(answer(503, headers={"Retry-After": "3600"})), "503", waits=3599
    ),
    "it answers 429": Fault(_answering(answer(429)), "429"),
    "it answers 413": Fault(_answering(answer(413)), "413"),
    "it answers 400": Fault(_answering(answer(400)), "400"),
    "it answers 404": Fault(_answering(answer(404)), "404"),
    "it redirects": Fault(_redirecting, "307"),
    "a captive portal answers with a page and 200": Fault(_answering(PAGE), "200, but not a collector's answer"),
    "its certificate is of an unknown CA": Fault(_unknown_authority, "certificate not trusted"),
    "the proxy setting can't be used": Fault(_unusable_proxy, UNUSABLE_SETTINGS),
    "the answer is not HTTP": Fault(_answering(raw(b"220 mail.example ESMTP\r\n")), "no whole HTTP answer"),
    "the answer has 1 GB": Fault(_answering(Flood()), "200, but not a collector's answer"),
    "its host name does not exist": Fault(_no_name_server, "name not found"),
    "the name server is silent": Fault(_silent_name_server, "none yet"),
    "there is no network": Fault(_no_network, "unreachable", is_here=True),
    "the configured address is no URL": Fault(_elsewhere("nonsense"), None, backs_off=False, is_here=True),
    "the disk is full": Fault(
        _full_disk,
        None,
        "this one is not recorded; earlier ones arrive when there is room",
        backs_off=False,
        records=False,
        shows=False,
        is_here=True,
    ),
    "HOME is read-only": Fault(
        _read_only_home,
        None,
        "this one is not recorded; earlier ones arrive when it can be written",
        backs_off=False,
        records=False,
        shows=False,
        shows_in_ci=False,
        is_here=True,
    ),
    "the command itself deletes the queue": Fault(
        _queue_deleted_by_the_task,
        None,
        "deleted with the queue; the next one arrives",
        backs_off=False,
        deletes=True,
        is_here=True,
    ),
    "the queue is deleted while it is sent": Fault(_queue_deleted_by_the_answer, "200", ARRIVE, backs_off=False),
    "the clock is a year ahead": Fault(_clock_set(YEAR), "200", DROPPED, backs_off=False, drops=True, is_here=True),
    "the clock is a year behind": Fault(_clock_set(-YEAR), "200", DROPPED, backs_off=False, drops=True, is_here=True),
}
