"""General machine information, in the catalogue's buckets and closed lists. Gathered by the sender alone."""

import os
import platform
import sys

import distro

from sst_core import Bucket, Catalogue

OTHER = "other"
_ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def machine_facts(catalogue: Catalogue) -> dict[str, object]:
    """The value of each field about the machine."""
    cpus = catalogue["cpuCount"].kind
    assert isinstance(cpus, Bucket)
    return {
        "systemPlatform": _listed(catalogue, "systemPlatform", sys.platform),
        "systemArchitecture": _ARCHITECTURES.get(platform.machine().lower(), OTHER),
        "distro": _listed(catalogue, "distro", *_distro()) if sys.platform == "linux" else None,
        "cpuCount": cpus.of(os.cpu_count() or 1),
    }


def _listed(catalogue: Catalogue, key: str, *names: str) -> str:
    """The first of `names` that the catalogue has."""
    return next((name for name in names if catalogue[key].kind.accepts(name)), OTHER)


def _distro() -> tuple[str, str]:
    """With its major version, and without."""
    # os-release alone: the library would otherwise run lsb_release and uname.
    system = distro.LinuxDistribution(include_lsb=False, include_uname=False)
    return f"{system.id()}-{system.major_version()}", system.id()
