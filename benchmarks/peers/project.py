"""The commands that all peers have: what those of `sst` do where each task is `true`, with Typer and nothing else."""

import subprocess
from collections.abc import Callable

import typer


def run(record: Callable[[str], None], finish: Callable[[], None] = lambda: None) -> None:
    """Run the command line. `record` is told a command's name before it does its work, `finish` is called after it."""
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

    def work(command: str) -> None:
        record(command)
        code = subprocess.run(["true"], check=False).returncode  # noqa: S607 - `sst` finds it on the PATH too
        finish()
        raise typer.Exit(code)

    @app.command()
    def build() -> None:
        work("build")

    @app.command()
    def start() -> None:
        work("start")

    @app.command()
    def deploy() -> None:
        work("deploy")

    @app.command()
    def remove() -> None:
        work("remove")

    @app.command()
    def diff() -> None:
        work("diff")

    app()
