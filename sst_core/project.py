"""What a provider is told of a project, and what it answers. Data only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sst_core.errors import RefusedError
from sst_core.records import Record


class Detected(Record):
    """A provider's claim to a folder."""

    provider: str
    """The provider's name, as `provider = "…"` in `sst.toml` would give it."""
    because: str
    """What it saw: `sst.toml has [tasks]`."""


class Project(Record):
    """What a provider works on."""

    root: Path
    """Its folder, absolute: where `sst.toml` is, or the working directory where there is none."""
    provider: str
    """The one provider that claimed the folder."""
    settings: Mapping[str, Any]
    """The parsed `sst.toml`, or nothing. What a plugin does to it, no other sees."""
    settings_file: Path
    """That `sst.toml`, for messages; it may not exist."""

    @property
    def build_folder(self) -> Path:
        """Where what is built goes, a folder below it for each stage."""
        return self.own_folder / "build"

    @property
    def own_folder(self) -> Path:
        """What is kept for the project and is nobody's source: `.sst`."""
        return self.root / f".{self.settings_file.stem}"

    @property
    def kept_stage(self) -> Path:
        """The file with the stage that the person at the terminal was asked for."""
        return self.own_folder / "stage"


class Options(Record):
    """What the user asked of a provider."""

    arguments: tuple[str, ...] = ()
    """Everything after `--`, for the tool as it is."""
    stage: str | None = None
    """What `--stage`, the environment or the project says it is; `stage_of` is for a provider that can't do without."""
    region: str | None = None
    """The AWS region of `--region` or `sst.toml`; None leaves it to the tool."""
    profile: str | None = None
    """The AWS profile of `--profile` or `sst.toml`; None leaves it to the tool."""
    verbose: bool = False
    """Whether the tool is to say all that it does."""
    outputs_file: Path | None = None
    """Where the core writes what the deployed stacks give out; only for `deploy`."""
    json: bool = False
    """Whether stdout is for the core's JSON alone: what a tool prints there has to go to stderr."""

    @property
    def aws_variables(self) -> Mapping[str, str]:
        """Region and profile, where they are said, under the names that AWS's tools look for in the environment."""
        names = {"AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region, "AWS_PROFILE": self.profile}
        return {name: value for name, value in names.items() if value is not None}


class Change(Record):
    """What a deployment would do to one resource."""

    action: str
    """In the tool's own word: `Add`, `Modify`, `Remove`."""
    resource: str
    """Its logical id in the template."""
    kind: str
    """Its type: `AWS::SQS::Queue`."""


class Stack(Record):
    """One deployed stack."""

    name: str
    """As the cloud knows it."""
    outputs: Mapping[str, str]
    """What it gives out, by name."""
    changes: tuple[Change, ...] | None = None
    """What `diff` found; None where nothing was compared."""


class ProviderResult(Record):
    """What a provider did."""

    exit_code: int
    """The tool's own, passed on as it is."""
    stacks: tuple[Stack, ...] = ()
    """What `deploy` left and `diff` compared, where the core was asked for it: for `--json` and `--outputs-file`."""


def claim_of(found: object) -> Detected | None:
    """What a plugin claims. Raises :class:`RefusedError` for what is no claim."""
    if not isinstance(found, Detected | None):
        raise RefusedError(f"it answered with {type(found).__name__}, and has to with Detected or None")
    if found is not None and not (isinstance(found.provider, str) and isinstance(found.because, str)):
        raise RefusedError("its claim has to say provider and because in words")
    return found


def answer_of(found: object) -> ProviderResult | None:
    """What a provider answered. Raises TypeError for what is no answer."""
    if not isinstance(found, ProviderResult | None):
        raise TypeError(f"it answered with {type(found).__name__}, and has to with ProviderResult or None")
    return found
