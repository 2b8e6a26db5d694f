"""A SAM app on a machine, and an AWS to deploy it to."""

from collections.abc import Iterator

import pytest

from clouds import BUCKET, WHY_NOT, Cloud, running_cloud
from sst_core.testing import Machine
from sst_sam_apps import TEMPLATE, write


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One for all tests: each has a stack of its own."""
    if WHY_NOT:
        pytest.skip(WHY_NOT)
    with running_cloud(tmp_path_factory.mktemp("aws") / "moto.log") as cloud:
        yield cloud


@pytest.fixture
def app(machine: Machine, aws: Cloud, request: pytest.FixtureRequest) -> Machine:
    """A machine whose working directory is the app, and whose user may deploy it."""
    aws.user(machine)
    machine.environ["SST_TELEMETRY_DISABLED"] = "1"
    write(machine.folder / "template.yaml", TEMPLATE)
    write(machine.folder / "src" / "handler.py", "def handler(event, context):\n    return event\n")
    write(machine.folder / "src" / "requirements.txt", "")
    write(machine.folder / "samconfig.toml", f'version = 0.1\n[default.deploy.parameters]\ns3_bucket = "{BUCKET}"\n')
    name = "app" + "".join(letter for letter in request.node.name if letter.isalnum())[-40:]
    write(machine.folder / "sst.toml", f'name = "{name}"\nregion = "{aws.region}"\n')
    return machine
