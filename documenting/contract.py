"""What the core promises to plugins, read from its source: the hooks, and each exported name with what is said of it.

Run as a program it prints the signatures alone, the entry-point groups, and each command with its arguments and
options, which `tests/sst_core/public_api.txt` pins.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import sst_core
import sst_core.testing

SOURCE = Path(sst_core.__file__).parent


@dataclass(frozen=True, slots=True)
class Export:
    """One exported name."""

    name: str
    module: str
    lines: tuple[str, ...]
    """Its signature; a class has one more for each field, value and method that is public."""
    says: str
    """Its docstring."""


def exports() -> list[Export]:
    """Everything that is exported, by name."""
    return [_export(name, module) for name, module in sorted(sst_core._HOME.items(), key=lambda item: item[0].lower())]


def testing_exports() -> list[Export]:
    """Everything that `sst_core.testing` exports, by name."""
    homes = {
        name.name: f"testing/{(statement.module or '').rpartition('.')[2]}"
        for statement in parsed("testing/__init__").body
        if isinstance(statement, ast.ImportFrom)
        for name in statement.names
    }
    return [_export(name, homes[name]) for name in sorted(sst_core.testing.__all__, key=str.lower)]


def hooks() -> str:
    """Each hook: its signature, and when, in which order, with what and without what it is called."""
    return "\n\n".join(_hook(function) for function in specs())


def specs() -> list[ast.FunctionDef]:
    """The hooks' specifications."""
    functions = (statement for statement in parsed("hookspecs").body if isinstance(statement, ast.FunctionDef))
    return [function for function in functions if any("hookspec" in ast.unparse(m) for m in function.decorator_list)]


def handed() -> str:
    """The data that hooks are handed and answer with: each field, its type and what it is."""
    classes = ("Context", "Command", "Outcome", "Project", "Options", "Detected", "ProviderResult", "Stack", "Change")
    return "\n\n".join(_table(name) for name in classes)


def api() -> str:
    """Every exported name, below the module that it is from."""
    return _listed(exports())


def testing_api() -> str:
    """The same of `sst_core.testing`."""
    return _listed(testing_exports())


def _listed(found: list[Export]) -> str:
    by_module: dict[str, list[Export]] = {}
    for export in found:
        by_module.setdefault(export.module, []).append(export)
    return "\n\n".join(_section(module, by_module[module]) for module in sorted(by_module))


def commands(page: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each command of the page of all commands, and what it takes: arguments, and options by each of their names."""
    for command, said in re.findall(r"^## `([^`\n]+)`\n\n```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        taken = said.partition("[OPTIONS]")[2].partition("\n\n")[0].split()
        arguments = [] if "COMMAND" in taken else [" ".join(taken)] if taken else []
        listed = re.findall(r"^  (-.*?)(?:  |$)", said.partition("\nOptions:\n")[2], re.MULTILINE)
        yield command, (*arguments, *(name for names in listed for name in re.findall(r"(?<!\S)-[\w-]+", names)))


def groups() -> list[str]:
    """The entry-point groups that plugins are found in."""
    return sorted({point.group for point in distribution(sst_core.SST.distribution).entry_points} - {"console_scripts"})


def signature(function: ast.FunctionDef) -> str:
    """As it stands in the source, on one line."""
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    marks = "".join(f"@{ast.unparse(mark)} " for mark in function.decorator_list if "hookspec" not in ast.unparse(mark))
    return f"{marks}def {function.name}({ast.unparse(function.args)}){returns}"


def described(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, str]]:
    """Each statement, with the string that follows it, or its own docstring."""
    for statement, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield statement, ast.get_docstring(statement) or ""
        elif isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            yield statement, str(after.value.value)
        else:
            yield statement, ""


@cache
def parsed(module: str) -> ast.Module:
    """A module of the core."""
    return ast.parse((SOURCE / f"{module}.py").read_text(encoding="utf-8"))


def _export(name: str, module: str) -> Export:
    for statement, says in described(parsed(module).body):
        if isinstance(statement, ast.FunctionDef) and statement.name == name:
            return Export(name, module, (signature(statement),), says)
        if isinstance(statement, ast.ClassDef) and statement.name == name:
            return Export(name, module, tuple(_class(statement)), says)
        if name in _assigned(statement):
            return Export(name, module, (_constant(statement),), says)
    raise LookupError(f"{module} defines no {name}")


def _constant(statement: ast.stmt) -> str:
    """Its value, or what it is made by."""
    value = getattr(statement, "value", None)
    if isinstance(value, ast.Call):
        made = ast.unparse(value.func)
        return f"{_assigned(statement)[0]}: {made.partition('(')[0]}"
    return ast.unparse(statement).replace("'", '"')


def _class(definition: ast.ClassDef) -> Iterator[str]:
    bases = [ast.unparse(base) for base in (*definition.bases, *definition.keywords)]
    yield f"class {definition.name}({', '.join(bases)})"
    for statement in definition.body:
        if isinstance(statement, ast.FunctionDef):
            if not statement.name.startswith("_") or statement.name in ("__init__", "__iter__", "__call__"):
                yield f"    {signature(statement)}"
        elif any(not name.startswith("_") for name in _assigned(statement)):
            yield f"    {ast.unparse(statement)}"


def _assigned(statement: ast.stmt) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _hook(function: ast.FunctionDef) -> str:
    says = ast.get_docstring(function) or ""
    summary, _, rest = says.partition("\n\n")
    points = [f"- **{label}**: {' '.join(words.split())}" for label, words in labelled(rest)]
    return "\n".join(
        [f"### {function.name}", "", summary, "", "```python", "@hookimpl", signature(function), "```", "", *points]
    )


LABELS = ("When", "Order", "Given", "Not given", "Returns", "An exception")
"""What each hook's docstring has to say, in this order."""


def labelled(text: str) -> list[tuple[str, str]]:
    """A docstring's points: each label with what stands behind it."""
    _, *parts = re.split(rf"^({'|'.join(LABELS)}): ", text, flags=re.MULTILINE)
    return list(zip(parts[::2], parts[1::2], strict=True))


def _table(name: str) -> str:
    module = sst_core._HOME[name]
    (found,) = [each for each in parsed(module).body if isinstance(each, ast.ClassDef) and each.name == name]
    rows = [
        f"**{name}**: {_first(ast.get_docstring(found) or '')}",
        "",
        "| field | type | what it is |",
        "|---|---|---|",
    ]
    for statement, says in described(found.body):
        if isinstance(statement, ast.AnnAssign):
            kind = ast.unparse(statement.annotation).replace("|", "\\|")
            rows.append(f"| `{ast.unparse(statement.target)}` | `{kind}` | {_first(says)} |")
    return "\n".join(rows)


def _section(module: str, found: list[Export]) -> str:
    parts = [f"### {module}", "", _first(ast.get_docstring(parsed(module)) or "")]
    for export in found:
        parts += ["", "```python", *export.lines, "```", "", _first(export.says)]
    return "\n".join(parts)


def _first(says: str) -> str:
    """The first paragraph, on one line."""
    return " ".join(re.sub(r":\w+:`\.?([\w.]+)`", r"`\1`", says).partition("\n\n")[0].split())


if __name__ == "__main__":
    for export in exports():
        print(*export.lines, sep="\n")
    print("\nsst_core.testing\n")
    for export in testing_exports():
        print(*export.lines, sep="\n")
    print("\nhooks\n")
    for spec in specs():
        print(f"@hookspec {signature(spec)}")
    print("\nentry-point groups\n")
    print(*(f"[{group}]" for group in groups()), sep="\n")
    print("\ncommands\n")
    for command, taken in commands((Path(__file__).parents[1] / "docs" / "commands.md").read_text(encoding="utf-8")):
        print(f"$ {command}", *(f"    {name}" for name in taken), sep="\n")
