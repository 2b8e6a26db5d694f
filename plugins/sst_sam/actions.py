"""What each command asks of the SAM CLI."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sst_aws.extras import how_to_get
from sst_aws.stacks import Cloud
from sst_core import (
    ConfigurationError,
    Context,
    Options,
    Project,
    ProviderResult,
    can_ask,
    find_tool,
    name_of,
    read_own,
    run_tool,
    stage_of,
    timed,
)
from sst_sam import NAME, TEMPLATES
from sst_sam.samconfig import SamConfig

HOW_TO_GET_IT = (
    f"{how_to_get('sam')} Or as AWS says: "
    "https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/install-sam-cli.html"
)

REQUIREMENTS = "requirements.txt"


class App:
    """A SAM app in one stage, and the tool that does the work."""

    def __init__(self, project: Project, options: Options, stage: str, template: Path) -> None:
        self.project, self.options, self.stage, self.template = project, options, stage, template
        self.config = SamConfig.of(project.root, stage)
        self.stack = self.config.text("deploy", "stack_name") or f"{name_of(project)}-{stage}"
        self.built = project.build_folder / stage / NAME
        self.cloud = Cloud(options.region or self.config.text("deploy", "region"), options.profile)

    @classmethod
    def of(cls, context: Context, project: Project, options: Options) -> "App":
        """Raises :class:`ConfigurationError`."""
        stage = stage_of(context, project, options)
        template = _template(project)
        read_own(template)  # it says what is built, also where [sam] has claimed the project
        return cls(project, options, stage, template)

    def sam(self, command: str, *arguments: str) -> int:
        """Run a command of the SAM CLI for this app, on a time-line. Returns its exit code.

        Raises :class:`ToolNotFoundError` where there is none.
        """
        # Its telemetry is off by the one variable that it looks at, whatever its own configuration says.
        environ = {**os.environ, **self.options.aws_variables, "SAM_CLI_TELEMETRY": "0"}
        words = [find_tool("sam", self.project, HOW_TO_GET_IT), command, *self._common(command), *arguments]
        run = partial(run_tool, words, self.project.root, environ, to_stderr=self.options.json)
        return timed(f"sam {command} ({self.stage})", run)

    @property
    def pseudo(self) -> Mapping[str, str]:
        """What a template may ask for and nothing in it says."""
        return {"AWS::Region": self.cloud.region, "AWS::StackName": self.stack}

    def deployed(self) -> Mapping[str, str]:
        """What the stage's own resources are called, where it is deployed and can be asked."""
        return self.cloud.resources_if_any(self.stack)

    def _common(self, command: str) -> list[str]:
        config = self.config.flags
        region = ["--region", self.options.region] if self.options.region and command != "build" else []
        profile = ["--profile", self.options.profile] if self.options.profile and command != "build" else []
        return [*config, *region, *profile, *(["--debug"] if self.options.verbose else [])]


def build(app: App) -> ProviderResult:
    """Build every function into the stage's own folder."""
    return ProviderResult(_build(app, app.options.arguments))


def deploy(app: App) -> ProviderResult:
    """Build, upload, and make the stack what the template says."""
    code = _build(app) or app.sam("deploy", *_deployment(app), *app.options.arguments)
    asked = app.options.json or app.options.outputs_file is not None
    return ProviderResult(code, (app.cloud.stack(app.stack),) if asked and code == 0 else ())


def remove(app: App) -> ProviderResult:
    """Delete the stack and what was uploaded for it. On a terminal the SAM CLI asks first."""
    asks = can_ask() and not app.options.json
    quiet = () if asks else ("--no-prompts",)
    return ProviderResult(app.sam("delete", "--stack-name", app.stack, *quiet, *app.options.arguments))


def diff(app: App) -> ProviderResult:
    """Have the change set made and shown that a deployment would execute; then take it away."""
    code = _build(app)
    if code:
        return ProviderResult(code)
    with app.cloud.only_looking(app.stack) as changes:
        code = app.sam("deploy", "--no-execute-changeset", *_deployment(app), *app.options.arguments)
        return ProviderResult(code, (changes(),) if app.options.json and code == 0 else ())


def start(app: App) -> ProviderResult:
    """Serve the functions on loopback, out of their own folders; what they require comes from a build."""
    # Web servers and all: 40 ms, and a build needs none of it.
    from sst_aws.live.functions import live
    from sst_aws.live.serving import port_of, serve
    from sst_aws.templates import parsed

    port = port_of(app.options.arguments)
    template = parsed(app.template.read_bytes(), str(app.template))

    def folders_of(name: str, properties: Mapping[str, Any]) -> tuple[Path, ...]:
        code = properties.get("CodeUri", properties.get("Code"))
        source = app.template.parent / code if isinstance(code, str) and "://" not in code else None
        if source is None or not source.is_dir():
            return ()
        return (source, app.built / name) if (source / REQUIREMENTS).exists() else (source,)

    found = live(template, folders_of, app.deployed, app.pseudo)
    if any((function.folders[0] / REQUIREMENTS).exists() for function in found.functions.values()):
        code = _build(app)
        if code:
            return ProviderResult(code)
    return ProviderResult(serve(found, app.cloud.region, port))


def _build(app: App, arguments: tuple[str, ...] = ()) -> int:
    folders = ("--template-file", str(app.template), "--build-dir", str(app.built))
    return app.sam("build", *folders, *arguments)


def _deployment(app: App) -> list[str]:
    """What `sam deploy` can't do without, each only where neither samconfig.toml nor the user says something else."""
    needed: Mapping[str, Callable[[], bool]] = {
        "--no-fail-on-empty-changeset": lambda: not app.config.says("deploy", "fail_on_empty_changeset"),
        "--resolve-s3": lambda: (
            not app.config.says("deploy", "s3_bucket", "resolve_s3", "image_repository")
            and not _says(app, "--s3-bucket", "--no-resolve-s3", "--resolve-s3")
        ),
        "--capabilities=CAPABILITY_IAM": lambda: (
            not app.config.says("deploy", "capabilities") and not _says(app, "--capabilities")
        ),
    }
    flags = [flag for flag, is_needed in needed.items() if is_needed()]
    return ["--template-file", str(app.built / "template.yaml"), "--stack-name", app.stack, *flags]


def _says(app: App, *flags: str) -> bool:
    """Whether the user gives one of these flags, as `--flag value` or as `--flag=value`."""
    return any(argument.partition("=")[0] in flags for argument in app.options.arguments)


def _template(project: Project) -> Path:
    table = project.settings.get(NAME, {})
    path = table.get("template") if isinstance(table, dict) else None
    if path is not None:
        if not isinstance(path, str) or not (project.root / path).is_file():
            raise ConfigurationError(f"{project.settings_file}: [sam] template has to be the path of a template.")
        return project.root / path
    for name in TEMPLATES:
        if (project.root / name).is_file():
            return project.root / name
    raise ConfigurationError(f"There is no template in {project.root}: none of {', '.join(TEMPLATES)}.")
