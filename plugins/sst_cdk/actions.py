"""What each command asks of the CDK CLI."""

import json
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sst_aws.stacks import Cloud
from sst_cdk import NAME
from sst_core import (
    ConfigurationError,
    Context,
    Options,
    Project,
    ProviderResult,
    Stack,
    can_ask,
    find_tool,
    read_own,
    run_tool,
    stage_of,
    timed,
)

if TYPE_CHECKING:
    from sst_aws.live.functions import Live

WITHOUT_A_VALUE = frozenset(
    (
        *("-e", "--exclusively", "-f", "--force", "-y", "--yes", "-i", "--ec2creds", "-v", "--verbose", "--debug"),
        *("--debug-app", "--debug-cli", "--trace", "--ci", "--color", "--notices", "--version-reporting", "--staging"),
        *("--path-metadata", "--asset-metadata", "--strict", "--lookups", "--ignore-errors", "--ignore-no-stacks"),
        *("--express", "--execute", "--import-existing-resources", "--previous-parameters", "--revert-drift", "--logs"),
        *("--rollback", "--hotswap", "--hotswap-fallback", "--watch", "--asset-parallelism", "--asset-prebuild"),
    )
)
"""Options of `cdk deploy` and `cdk destroy` (2.1148.1) behind which another word is a stack's name. Behind one that is
not known here it is taken for a value: if it is a name, the CDK CLI says that it goes without `--all`."""

HOW_TO_GET_IT = "Get it with: npm install --save-dev aws-cdk@^2"


class App:
    """A CDK app in one stage, and the tool that does the work."""

    def __init__(self, program: str, context: Context, project: Project, options: Options, stage: str) -> None:
        self.project, self.options, self.stage = project, options, stage
        self.assembly = project.build_folder / stage / NAME
        """What is synthesized, and all that is uploaded from."""
        self.cloud = Cloud(options.region, options.profile)
        self._program = program
        self._environ = {
            **os.environ,
            **options.aws_variables,
            # Its telemetry, off by exactly this; and its question at the registry for a newer version of itself.
            "CDK_DISABLE_CLI_TELEMETRY": "1",
            "CDK_DISABLE_VERSION_CHECK": "1",
            context.product.variable("STAGE"): stage,
        }

    @classmethod
    def of(cls, context: Context, project: Project, options: Options) -> "App":
        """Raises :class:`ConfigurationError`, and :class:`ToolNotFoundError` where there is no CDK CLI."""
        read_own(project.root / "cdk.json")  # it says what is run, also where [cdk] has claimed the project
        stage = stage_of(context, project, options)
        program = find_tool("cdk", project, HOW_TO_GET_IT)
        _refuse_what_can_not_read(program)
        return cls(program, context, project, options, stage)

    def cdk(self, command: str, *arguments: str) -> int:
        """Run a command of the CDK CLI for this app, on a time-line. Returns its exit code."""
        words = [self._program, command, *self._common(), *arguments]
        run = partial(run_tool, words, self.project.root, self._environ, to_stderr=self.options.json)
        return timed(f"cdk {command} ({self.stage})", run)

    def stacks(self) -> dict[str, Path]:
        """The synthesized stacks: the template of each, by the name it is deployed under."""
        try:
            artifacts: dict[str, Any] = json.loads((self.assembly / "manifest.json").read_bytes())["artifacts"]
        except (OSError, ValueError, RecursionError, KeyError, TypeError):
            raise ConfigurationError(f"There is no cloud assembly in {self.assembly} that could be read.") from None
        return {
            found["properties"].get("stackName", name): self.assembly / found["properties"]["templateFile"]
            for name, found in artifacts.items()
            if found.get("type") == "aws:cloudformation:stack"
        }

    def _common(self) -> list[str]:
        profile = ["--profile", self.options.profile] if self.options.profile else []
        verbose = ["--verbose"] if self.options.verbose else []
        # Notices are fetched, and version reporting puts what the app is made of into its stacks, for AWS to read.
        quiet = ["--no-notices", "--no-version-reporting"]
        return [*quiet, "--output", str(self.assembly), "--context", f"stage={self.stage}", *profile, *verbose]


def build(app: App) -> ProviderResult:
    """Synthesize every stack into the stage's own folder."""
    return ProviderResult(app.cdk("synth", "--quiet", *app.options.arguments))


def deploy(app: App) -> ProviderResult:
    """Synthesize, upload, and make the stacks what the app says. On a terminal the CDK CLI asks what it is told to."""
    outputs = app.project.build_folder / app.stage / "cdk-outputs.json"
    outputs.unlink(missing_ok=True)
    unasked = () if _can_ask(app) else ("--require-approval", "never")
    code = app.cdk("deploy", *_which(app), *unasked, "--outputs-file", str(outputs), *app.options.arguments)
    asked = app.options.json or app.options.outputs_file is not None
    return ProviderResult(code, _outputs(outputs) if asked and code == 0 else ())


def remove(app: App) -> ProviderResult:
    """Delete the stacks. On a terminal the CDK CLI asks first."""
    unasked = () if _can_ask(app) else ("--force",)
    return ProviderResult(app.cdk("destroy", *_which(app), *unasked, *app.options.arguments))


def diff(app: App) -> ProviderResult:
    """Show what a deployment would change."""
    code = app.cdk("diff", *app.options.arguments)
    if code or not app.options.json:
        return ProviderResult(code)
    from sst_aws.templates import changes

    return ProviderResult(
        code,
        tuple(
            Stack(name, {}, changes(app.cloud.template(name), _synthesized(template)))
            for name, template in app.stacks().items()
        ),
    )


def start(app: App) -> ProviderResult:
    """Serve the functions on loopback, out of the folders that the app takes them from."""
    # Web servers and all: 40 ms, and a build needs none of it.
    from sst_aws.live.functions import together
    from sst_aws.live.serving import port_of, serve

    port = port_of(app.options.arguments)
    # Not staged, what is synthesized says where the code itself is, and not where a copy of it was put.
    code = app.cdk("synth", "--quiet", "--no-staging")
    if code:
        return ProviderResult(code)
    served = {name: _live(app, name, template) for name, template in app.stacks().items()}
    return ProviderResult(serve(together(served), app.cloud.region, port))


def _live(app: App, stack: str, file: Path) -> "Live":
    from sst_aws.live.functions import live

    template = _synthesized(file)
    resources = template.get("Resources", {})

    def folders_of(name: str, _: Mapping[str, Any]) -> tuple[Path, ...]:
        asset = resources[name].get("Metadata", {}).get("aws:asset:path")
        folder = file.parent / asset if isinstance(asset, str) else None
        return (folder,) if folder is not None and folder.is_dir() else ()

    pseudo = {"AWS::Region": app.cloud.region, "AWS::StackName": stack}
    return live(template, folders_of, lambda: app.cloud.resources_if_any(stack), pseudo)


def _synthesized(file: Path) -> dict[str, Any]:
    """A stack's template. Raises :class:`ConfigurationError`."""
    try:
        template: dict[str, Any] = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        raise ConfigurationError(f"{file} is no template that could be read.") from None
    return template


def _which(app: App) -> tuple[str, ...]:
    """Every stack, unless a word after `--` names one: the CDK CLI takes a name or `--all`, and not both."""
    has_value = False
    for word in app.options.arguments:
        if word.startswith("-"):
            has_value = not word.startswith("--no-") and "=" not in word and word not in WITHOUT_A_VALUE
        elif has_value:
            has_value = False
        else:
            return ()
    return ("--all",)


def _can_ask(app: App) -> bool:
    return can_ask() and not app.options.json


def _outputs(file: Path) -> tuple[Stack, ...]:
    """What the CDK CLI wrote; nothing where no stack gives anything out."""
    try:
        found: dict[str, dict[str, str]] = json.loads(file.read_bytes())
    except FileNotFoundError:
        return ()
    return tuple(Stack(name, given) for name, given in found.items())


def _refuse_what_can_not_read(program: str) -> None:
    """3.0.0 was published by mistake, and is what npm gives whoever names no version: it reads no current assembly."""
    try:
        said = json.loads((Path(program).resolve().parents[1] / "package.json").read_bytes())
    except (OSError, ValueError, RecursionError, IndexError):
        return  # not installed by npm: it says for itself what it can't do
    if said.get("name") == "aws-cdk" and str(said.get("version")).startswith("3.0.0"):
        raise ConfigurationError(f"{program} is aws-cdk 3.0.0, which can't read what apps make now. {HOW_TO_GET_IT}")
