"""A CDK app on a machine, and an AWS to deploy it to: `nox -s aws` brings the CDK CLI and the library."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from clouds import WHY_NOT, Cloud, running_cloud
from sst_core.testing import Machine

CDK = os.environ.get("SST_TEST_CDK", "")
"""The folder with `node_modules`."""
APP = os.environ.get("SST_TEST_CDK_APP", "")
"""The Python that an app is synthesized with, which has the CDK's library."""


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One for all tests: each has a stack of its own."""
    if WHY_NOT or not CDK:
        pytest.skip(WHY_NOT or "nox -s aws installs the CDK CLI, and says where it is in SST_TEST_CDK")
    with running_cloud(tmp_path_factory.mktemp("aws") / "moto.log") as cloud:
        yield cloud


@pytest.fixture
def app(machine: Machine, aws: Cloud, request: pytest.FixtureRequest) -> Machine:
    """A machine whose working directory is the app, and whose user may deploy it."""
    aws.user(machine)
    shutil.copytree(Path(__file__).parent / "app", machine.folder, dirs_exist_ok=True)
    (machine.folder / "cdk.json").chmod(0o644)
    (machine.folder / "node_modules").symlink_to(f"{CDK}/node_modules")
    file = machine.folder / "sst.toml"
    file.write_text(f'region = "{aws.region}"\n')
    file.chmod(0o644)
    machine.environ |= {
        "APP_NAME": "app" + "".join(letter for letter in request.node.name if letter.isalnum())[-40:],
        "SST_TELEMETRY_DISABLED": "1",
        "PATH": f"{Path(APP).parent}{os.pathsep}{machine.environ['PATH']}",
    }
    return machine
