"""What is wrong with a plugin, and what its author can do about it."""

from collections.abc import Iterator

from sst_core.authoring.loading import BUDGET, Loading, Refusal
from sst_core.authoring.survey import State, Surveyed
from sst_core.declaration import FILE
from sst_core.errors import ConfigurationError
from sst_core.invocation import Session
from sst_core.product import Product
from sst_core.records import Record
from sst_core.refusals import CORE, NAMES_NOTHING, what_is_too_old

DECLARING = "`python -m pydoc sst_core.declaration` says how a value is declared."


class Finding(Record):
    """One thing that is wrong."""

    what: str
    advice: str


def findings(session: Session, surveyed: Surveyed, loading: Loading | None) -> tuple[Finding, ...]:
    """All that is wrong; of a plugin that was not loaded, its name and what it declares alone are known."""
    if surveyed.state is State.FAILED:
        advice = f"Give its entry point another name. {session.plugins.switches.how_to_switch_off(surveyed.entry)}."
        return (Finding(surveyed.why, advice),)
    product = session.context.product
    found = _undeclared(product, surveyed, is_loaded=loading is not None)
    return (*found, *(_of(product, surveyed, loading) if loading else ()))


def _undeclared(product: Product, surveyed: Surveyed, *, is_loaded: bool) -> Iterator[Finding]:
    """Of what somebody else's plugin declares to collect, which is read without importing it."""
    entry = surveyed.entry
    if surveyed.kind != "telemetry" or entry.first_party:
        return
    declared = entry.declared(product.catalogue)
    package = entry.module.partition(".")[0]
    if declared is None:
        yield Finding(
            f"there is no {FILE} in its package as it is installed, so nobody is told what it collects",
            f"Put it beside {package}/__init__.py, and see that its wheel has it: hatchling takes every file of a "
            "package, setuptools those alone that [tool.setuptools.package-data] names. A single module has no place "
            "for it.",
        )
    elif isinstance(declared, ConfigurationError) and not is_loaded:  # loading it says so too
        yield Finding(str(declared), DECLARING)


def _of(product: Product, surveyed: Surveyed, loading: Loading) -> Iterator[Finding]:
    too_old = what_is_too_old(surveyed.entry, product)
    if too_old:
        yield Finding(too_old, "Install what it requires, or an older version of it.")
    if loading.failed:
        yield Finding(loading.failed, _advice(product, surveyed, loading))
    if loading.printed:
        first = loading.printed.strip().partition("\n")[0]
        yield Finding(
            f"it prints when it is imported: {first[:40]!r}",
            "Print in a hook, and to stderr: stdout is the command's, and may be JSON.",
        )
    if loading.threads:
        yield Finding(
            f"it leaves {loading.threads} thread(s) running when it is imported",
            "Start them in a hook, and end them there: a command waits for its threads.",
        )
    if loading.milliseconds and loading.milliseconds > BUDGET and surveyed.kind != "commands":
        yield Finding(
            f"its import takes {loading.milliseconds:.0f} ms of CPU and {loading.modules} modules, and the budget is "
            f"{BUDGET:.0f} ms: it is a part of every command",
            "Import what is heavy in the function that needs it. To see what is: "
            f"python -X importtime -c 'import {surveyed.entry.module}'",
        )
    for words in loading.deprecated:
        yield Finding(f"it uses what is to go: {words}", "Do as it says before the next major version.")


def _advice(product: Product, surveyed: Surveyed, loading: Loading) -> str:
    if loading.hung:
        return "Do nothing when imported but define: read, connect and wait in the hook or command that needs it."
    if loading.exit_code is not None:
        return "Nothing that runs at import may end the process: neither os._exit nor what crashes in C code."
    refusal = loading.refusal
    assert refusal is not None
    if surveyed.kind == "commands" and refusal.imported and refusal.kind:  # Typer's, as it made a command of it
        return "Every parameter of a command has to have a type that Typer knows."
    if surveyed.kind == "commands" and not refusal.kind:
        return "A command is a Typer app or a function; one that has to await calls asyncio.run."
    advice = _advice_for(product, surveyed, refusal)
    return f"{advice} ({refusal.where})" if refusal.where else advice


def _advice_for(product: Product, surveyed: Surveyed, refusal: Refusal) -> str:
    if refusal.missing and refusal.missing.partition(".")[0] == CORE:
        return f"It is made for another version of sst_core than the one of {product.name} {product.version}."
    if refusal.kind == "ModuleNotFoundError" or refusal.why.startswith(NAMES_NOTHING):
        return f"{_what_to_mend(surveyed, refusal)}, and install it anew."
    if refusal.kind == "SyntaxError":
        return "Mend that line."
    if not refusal.kind and FILE in refusal.why:
        return DECLARING
    if not refusal.kind:
        return "`python -m pydoc sst_core.hookspecs` shows the hooks, each with its arguments."
    return "Do nothing when imported but define."


def _what_to_mend(surveyed: Surveyed, refusal: Refusal) -> str:
    """Where something is named that isn't there."""
    if refusal.why.startswith(NAMES_NOTHING):
        return "Name what is there, in [project.entry-points] of its pyproject.toml"
    missing = refusal.missing or ""
    if missing.partition(".")[0] == surveyed.entry.module.partition(".")[0]:
        return f"{missing} is a module of its own: see that what is built of it has it"
    return f"Put what brings {missing} into the dependencies of its pyproject.toml"
