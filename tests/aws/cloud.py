"""AWS on loopback: moto's server, and three things that CloudFormation does and moto's does not.

The SAM macro is expanded, by AWS's own translator; a stack that was made by a change set has its outputs and tags; and
one whose resources can't be made is rolled back, with an event that says why. It is run in an environment of its own.

    python cloud.py PORT
"""

import functools
import inspect
import json
import os
import sys
from typing import Any

from moto.cloudformation.models import CloudFormationBackend
from moto.server import main
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

MACRO = "AWS::Serverless-2016-10-31"


class NoPolicies:
    """Managed policies by name, of which no test uses one."""

    def load(self) -> dict[str, str]:
        return {}


def expanded(template: str, parameters: Any, region: str) -> str:
    """What CloudFormation makes of a template with the macro."""
    parsed = yaml_parse(template)
    macros = parsed.get("Transform", []) if isinstance(parsed, dict) else []
    if MACRO not in (macros if isinstance(macros, list) else [macros]):
        return template
    os.environ["AWS_DEFAULT_REGION"] = region  # the translator asks boto3, whose region is the server's
    return json.dumps(transform(parsed, {"AWS::Region": region, **(parameters or {})}, NoPolicies()))


def expanding(method: Any) -> Any:
    signature = inspect.signature(method)

    @functools.wraps(method)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        bound = signature.bind(*arguments, **named)
        given = bound.arguments
        given["template"] = expanded(given["template"], given.get("parameters"), arguments[0].region_name)
        return method(*bound.args, **bound.kwargs)

    return wrapped


def executing(method: Any) -> Any:
    @functools.wraps(method)
    def wrapped(backend: Any, change_set_name: str, stack_name: str | None = None) -> None:
        (change_set,) = [
            each
            for each in backend.change_sets.values()
            if change_set_name in (each.change_set_name, each.change_set_id)
        ]
        stack = backend.stacks[change_set.stack_id]
        try:
            method(backend, change_set_name, stack_name)
        except Exception as error:  # noqa: BLE001 - whatever moto can not make
            rolled_back = {"CREATE": "ROLLBACK_COMPLETE"}.get(change_set.change_set_type, "UPDATE_ROLLBACK_COMPLETE")
            stack._add_stack_event(f"{change_set.change_set_type}_FAILED", resource_status_reason=str(error))
            stack._add_stack_event(rolled_back)
            stack.status = rolled_back
            return
        stack.template_dict = change_set.template_dict
        stack.output_map = stack._create_output_map()
        stack.tags = change_set.tags or {}

    return wrapped


if __name__ == "__main__":
    for name in ("create_stack", "create_change_set", "update_stack"):
        setattr(CloudFormationBackend, name, expanding(getattr(CloudFormationBackend, name)))
    CloudFormationBackend.execute_change_set = executing(CloudFormationBackend.execute_change_set)
    main(["-H", "127.0.0.1", "-p", sys.argv[1]])
