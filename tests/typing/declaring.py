"""A plugin that declares closed values of its own, beside its package, and checks what it takes against them."""

from typing import assert_type

from sst_core import Command, Context, Declaration, DeclaredValue, Kind, Outcome, declaration_of, hookimpl


@hookimpl
def on_command_finished(context: Context, command: Command, outcome: Outcome) -> None:
    declared = declaration_of(__name__, context.product)
    assert_type(declared, Declaration)
    assert_type(declared.namespace, str)
    assert_type(declared.sends_to, str | None)
    assert_type(declared.values, tuple[DeclaredValue, ...])
    assert_type(declared["result"], Kind)
    event = declared.check({"command": command.path[0], "result": outcome.result.value})
    assert_type(event, dict[str, str | int | bool | None])
    declared.check([command.path[0]])  # E: arg-type reportArgumentType
    declared.sends_to = None  # E: misc reportAttributeAccessIssue
    declaration_of(__name__)  # E: call-arg reportCallIssue
