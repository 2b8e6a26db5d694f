"""Write the generated blocks of the docs anew. `--check` changes nothing and fails when one is stale.

A block stands between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from contract import api, described, handed, hooks, parsed, testing_api
from sst_core import SST, Consent, Field, Moment, notice_text
from walking import helps

DOCS = Path(__file__).parents[1] / "docs"
_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main(check: bool) -> int:
    """Returns the exit code."""
    stale = []
    for path in sorted(DOCS.glob("*.md")):
        text = path.read_text()
        fresh = _BLOCK.sub(lambda block: f"{block[1]}\n{GENERATORS[block[2]]().strip()}\n\n{block[3]}", text)
        if fresh != text:
            stale.append(path.name)
            if not check:
                path.write_text(fresh)
    for name in stale:
        print(f"{name} is stale; run: python3 -m nox -s docs" if check else f"{name} is written anew")
    return 1 if check and stale else 0


def catalogue_table() -> str:
    """Every field, in the order of the catalogue."""
    rows = ["| what | values | why | taken |", "|---|---|---|---|"]
    for field in SST.catalogue:
        taken = "in the command" if field.moment is Moment.RUN else "by the sender"
        rows.append(f"| `{field.key}` | {field.describe()} | {field.purpose} | {taken} |")
    return "\n".join(rows)


def allowed_by() -> str:
    """The sentences of the public page, each with the fields that rest on it."""
    by_sentence: dict[str, list[Field]] = {}
    for field in SST.catalogue:
        if field.sentence:
            by_sentence.setdefault(field.sentence, []).append(field)
    lines = [f'- "{sentence}": {_names(fields)}.' for sentence, fields in by_sentence.items()]
    lines += [
        f"- Not on the page, and here all the same: `{field.key}`. {field.purpose} {field.exception}"
        for field in SST.catalogue
        if not field.sentence
    ]
    return "\n".join(lines)


def reviews() -> str:
    """When each field was last looked at."""
    by_review: dict[tuple[str, str, str], list[Field]] = {}
    for field in SST.catalogue:
        by_review.setdefault((field.reviewed, field.reviewer, field.expires), []).append(field)
    return "\n".join(
        f"- Reviewed {reviewed} by {reviewer}, to be reviewed again before {expires}: {_names(fields)}."
        for (reviewed, reviewer, expires), fields in by_review.items()
    )


def notice() -> str:
    """The notice, as a new user sees it."""
    environ = {"HOME": "/nowhere", "SST_TELEMETRY_URL": "https://telemetry.example.org/events"}
    consent = Consent(SST, environ, folder=None, ci=None)
    return f"```text\n{notice_text(consent, consent.items)}\n```"


def anonymity() -> str:
    """The simulation's table."""
    script = DOCS.parent / "benchmarks" / "anonymity.py"
    return subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout


def commands() -> str:
    """The help of each command, as a terminal of 80 columns shows it."""
    return "\n\n".join(
        f"## `{' '.join(('sst', *path))}`\n\n```text\n{text.strip()}\n```" for path, text in helps(_asked)
    )


def exit_codes() -> str:
    """Those of the core itself, and those that it passes on."""
    (found,) = [each for each in parsed("errors").body if isinstance(each, ast.ClassDef) and each.name == "ExitCode"]
    meanings = {
        ast.unparse(statement.value): says
        for statement, says in described(found.body)
        if isinstance(statement, ast.Assign)
    }
    signalled = "Signal N ended it, or the tool that did the work: 129 is a hang-up, 137 SIGKILL, 143 SIGTERM."
    rows = [
        *meanings.items(),
        ("128 + N", signalled),
        ("other", "The project's own tool, or a plugin, ended with it."),
    ]
    return "\n".join(["| exit code | meaning |", "|---:|---|", *(f"| {code} | {says} |" for code, says in rows)])


def _asked(arguments: Sequence[str]) -> str:
    environ = {"COLUMNS": "80", "TERM": "dumb", "SST_NO_PLUGINS": "1", "HOME": "/nowhere"}
    program = Path(sys.executable).with_name("sst")
    return subprocess.run(
        [program, *arguments], env=environ, cwd=DOCS, capture_output=True, text=True, check=True
    ).stdout


def _names(fields: list[Field]) -> str:
    return ", ".join(f"`{field.key}`" for field in fields)


GENERATORS: Mapping[str, Callable[[], str]] = {
    generator.__name__: generator
    for generator in (
        catalogue_table,
        allowed_by,
        reviews,
        notice,
        anonymity,
        commands,
        exit_codes,
        hooks,
        handed,
        api,
        testing_api,
    )
}

if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
