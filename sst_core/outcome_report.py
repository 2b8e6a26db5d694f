"""What machines read of a deployment: JSON on stdout, and the file that `--outputs-file` names."""

import json
from pathlib import Path
from typing import Any

from sst_core.errors import SstError
from sst_core.project import Change, Project, ProviderResult, Stack


def report(action: str, project: Project, stage: str | None, region: str | None, result: ProviderResult) -> str:
    """One JSON object: what was done, how it ended, and each stack with its outputs and changes."""
    return json.dumps(
        {
            "command": action,
            "provider": project.provider,
            "stage": stage,
            "region": region,
            "exit_code": result.exit_code,
            "stacks": [_stack(stack) for stack in result.stacks],
        },
        indent=2,
    )


def write_outputs(file: Path, result: ProviderResult) -> None:
    """Write `{"stack": {"output": "value"}}`, as AWS CDK does and as a shell's `>` does: into a pipe, through a link,
    and with the mode that the file has or that the umask gives. Raises :class:`SstError`."""
    outputs = {stack.name: dict(stack.outputs) for stack in result.stacks}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(outputs, indent=2) + "\n")
    except OSError as error:
        raise SstError(f"It is deployed, but {file} can't be written: {error.strerror}.") from None


def _stack(stack: Stack) -> dict[str, Any]:
    return {
        "name": stack.name,
        "outputs": dict(stack.outputs),
        "changes": None if stack.changes is None else [_change(change) for change in stack.changes],
    }


def _change(change: Change) -> dict[str, str]:
    return {"action": change.action, "resource": change.resource, "type": change.kind}
