"""A provider as an object: it claims a folder and has a tool do the work."""

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from sst_core import (
    Change,
    ConfigurationError,
    Context,
    Detected,
    ExitCode,
    Options,
    Project,
    ProviderResult,
    SstError,
    Stack,
    ToolNotFoundError,
    find_tool,
    hookimpl,
    name_of,
    read_tool,
    run_tool,
    stage_of,
    timed,
)


class MakefileError(SstError):
    """Make failed in a way of its own."""

    exit_code = 3


class Make:
    """Builds what has a Makefile."""

    @hookimpl
    def detect_provider(self, context: Context, root: Path, settings: Mapping[str, Any]) -> Detected | None:
        if settings.get("make") is False:
            raise ConfigurationError(f"{root}: make is switched off, and nothing else is named.")
        return Detected(provider="make", because="it has a Makefile") if (root / "Makefile").exists() else None

    @hookimpl
    def build(self, project: Project, options: Options) -> ProviderResult | None:
        return self._make("all", project, options)

    @hookimpl
    def start(self, context: Context, project: Project, options: Options) -> ProviderResult | None:
        return self._make("run", project, options)

    @hookimpl
    def deploy(self, context: Context, project: Project, options: Options) -> ProviderResult | None:
        if context.ci is None:
            raise MakefileError("Deploy in CI.")
        stage: str = stage_of(context, project, options)
        name: str = name_of(project)
        result = self._make("deploy", project, options)
        changes = (Change("Add", "Orders", "a queue"),)
        return result and ProviderResult(result.exit_code, (Stack(f"{name}-{stage}", {"Url": "x"}, changes),))

    @hookimpl
    def remove(self, project: Project) -> ProviderResult | None:
        return self._make("remove", project, Options())

    @hookimpl(wrapper=True)
    def diff(self, project: Project) -> Generator[None, ProviderResult | None, ProviderResult | None]:
        result = yield
        return result or ProviderResult(ExitCode.FAILURE)

    def _make(self, target: str, project: Project, options: Options) -> ProviderResult | None:
        try:
            make: str = find_tool("make", project, "Get it from your system.")
        except ToolNotFoundError:
            return ProviderResult(ExitCode.NOT_FOUND)
        code, version = read_tool([make, "--version"], project.root)
        words = [make, target, str(project.build_folder / (options.stage or "all")), *options.arguments]
        return ProviderResult(
            code or timed(version, lambda: run_tool(words, project.root, to_stderr=options.json)),
        )


plugin = Make()
