"""When and where something was measured."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path


def surroundings() -> str:
    """One line: the day, the processor, its cores, the system and Python."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    return f"{today}: {_cpu()}, {os.cpu_count()} cores, {_system()}, Python {platform.python_version()}"


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
