"""Break the product a little, one place at a time, and see whether its own tests notice: mutation testing.

Cosmic Ray makes the changes and runs the tests. It edits in place, so each worker has a copy of the checkout, with an
environment that runs from it: the processes that tests start are broken with it.
"""

import argparse
import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from random import Random
from shutil import copy2, rmtree

from cosmic_ray.work_db import WorkDB
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkItem, WorkResult

ROOT = Path(__file__).parents[2]

TESTS = {
    "sst_core/catalogue.py": ("sst_core/test_catalogue.py", "sst_core/test_measures.py", "sst_core/test_fields.py"),
    "sst_core/fields.py": ("sst_core/test_fields.py", "sst_core/test_measures.py", "sst_core/test_audit.py"),
    "sst_core/declaration.py": ("sst_core/test_declaration.py", "sst_core/test_installation.py"),
    "sst_core/environment.py": ("sst_core/test_environment.py", "sst_core/test_consent.py"),
    "sst_core/configuration.py": ("sst_core/test_consent.py", "sst_core/test_configuration.py"),
    "sst_core/consent.py": ("sst_core/test_consent.py", "sst_core/test_notice.py", "sst_telemetry/test_control.py"),
    "sst_core/switches.py": ("sst_core/test_switches.py", "sst_core/authoring/test_list.py"),
    "sst_core/notice.py": ("sst_core/test_notice.py", "sst_core/test_declaration.py", "e2e/test_notice.py"),
    "plugins/sst_telemetry/control.py": ("sst_telemetry/test_control.py", "sst_telemetry/test_project_choice.py"),
    "plugins/sst_telemetry/identity.py": ("sst_telemetry/test_identity.py", "sst_telemetry/test_forget.py"),
    "plugins/sst_telemetry/forget.py": ("sst_telemetry/test_forget.py", "sst_telemetry/test_pending.py"),
    "plugins/sst_telemetry/pending.py": ("sst_telemetry/test_pending.py", "sst_telemetry/test_forget.py"),
    "plugins/sst_telemetry/queue.py": ("sst_telemetry/test_queue.py", "sst_telemetry/test_record.py"),
    "plugins/sst_telemetry/batch.py": ("sst_telemetry/test_delivery.py", "sst_telemetry/test_queue.py"),
    "plugins/sst_telemetry/post.py": (
        "sst_telemetry/test_post.py",
        "sst_telemetry/test_forget.py",
        "sst_telemetry/test_delivery.py",
    ),
    "plugins/sst_telemetry/delivery.py": (
        "sst_telemetry/test_delivery.py",
        "sst_telemetry/test_queue.py",
        "sst_telemetry/test_sender.py",
    ),
    "plugins/sst_telemetry/burst.py": ("sst_telemetry/test_delivery.py", "sst_telemetry/test_where_it_runs.py"),
    "plugins/sst_telemetry/sender.py": ("sst_telemetry/test_sender.py", "sst_telemetry/test_spawn.py"),
    "plugins/sst_telemetry/spawn.py": ("sst_telemetry/test_spawn.py", "sst_telemetry/test_where_it_runs.py"),
    "plugins/sst_collector/publishing/suppression.py": (
        "sst_collector/publishing/test_suppression.py",
        "sst_collector/publishing/test_publication.py",
        "sst_collector/publishing/test_attack.py",
    ),
    "plugins/sst_collector/warehouse/unsaid.py": (
        "sst_collector/publishing/test_publication.py",
        "sst_collector/test_upkeep.py",
    ),
    "plugins/sst_collector/publishing/ranking.py": (
        "sst_collector/publishing/test_publication.py",
        "sst_collector/publishing/test_attack.py",
    ),
    "plugins/sst_collector/publishing/publication.py": (
        "sst_collector/publishing/test_publication.py",
        "sst_collector/test_upkeep.py",
    ),
}
"""The modules that are broken, and the tests of each: the first that fails ends a run."""

OPERATORS = (
    "AddNot",
    "ExceptionReplacer",
    "NumberReplacer",
    "RemoveDecorator",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ReplaceFalseWithTrue",
    "ReplaceTrueWithFalse",
    "ReplaceUnaryOperator_Delete_Not",
    "ZeroIterationForLoop",
    "ReplaceBinaryOperator_Add_Sub",
    "ReplaceBinaryOperator_Sub_Add",
    "ReplaceBinaryOperator_Mul_Div",
    "ReplaceBinaryOperator_Div_Mul",
    "ReplaceBinaryOperator_FloorDiv_Mul",
    "ReplaceBinaryOperator_Pow_Mul",
    "ReplaceBinaryOperator_BitOr_BitAnd",
    "ReplaceComparisonOperator_Eq_NotEq",
    "ReplaceComparisonOperator_NotEq_Eq",
    "ReplaceComparisonOperator_Is_IsNot",
    "ReplaceComparisonOperator_IsNot_Is",
    "ReplaceComparisonOperator_Lt_LtE",
    "ReplaceComparisonOperator_LtE_Lt",
    "ReplaceComparisonOperator_Gt_GtE",
    "ReplaceComparisonOperator_GtE_Gt",
)
"""One of each sort. All eleven replacements of a `+` say no more than the first, and a test that fails for one fails
for all."""

HUNG = 30
"""Seconds that one test may take."""

_FOR_TYPES = re.compile(r"@dataclass\(|kw_only=|if TYPE_CHECKING")
"""Lines that the type checker holds."""


@dataclass(frozen=True, slots=True)
class Survivor:
    """A change that no test noticed."""

    module: str
    line: str
    changed: str
    number: int
    """Of the line in the file, from 1."""
    place: str
    """The function or class around it."""

    def __str__(self) -> str:
        return f"  {self.module}:{self.number}, in {self.place}\n    - {self.line}\n    + {self.changed}"


@dataclass(frozen=True, slots=True)
class Score:
    """What became of the mutants of a module."""

    module: str
    killed: int
    survivors: Sequence[Survivor]


def main() -> int:
    """0 when the tests noticed everything but what is known to change nothing."""
    asked = _arguments()
    excused = equivalents()
    killed = survived = 0
    with ThreadPoolExecutor(asked.workers) as pool:
        workers = list(pool.map(_make_worker, (asked.folder / f"worker-{n}" for n in range(asked.workers))))
        for module in asked.modules or TESTS:
            shares = [slice(number, None, len(workers)) for number in range(len(workers))]
            score = together(pool.map(partial(try_share, module, asked.sample), workers, shares))
            unnoticed = [each for each in score.survivors if (each.module, each.line, each.changed) not in excused]
            print(score.module, told(score.killed, unnoticed, len(score.survivors) - len(unnoticed)), flush=True)
            for survivor in unnoticed:
                print(survivor, flush=True)
            killed, survived = killed + score.killed, survived + len(unnoticed)
    print(f"score: {killed / max(killed + survived, 1):.1%}, {killed} of {killed + survived}")
    return 1 if survived else 0


def told(killed: int, survivors: Sequence[Survivor], equal: int) -> str:
    """What a module's mutants came to."""
    return f"{killed} of {killed + len(survivors)} killed" + (f", and {equal} that change nothing" if equal else "")


def equivalents() -> frozenset[tuple[str, str, str]]:
    """Changes that change nothing anybody could see, by module, line and changed line."""
    listed = tomllib.loads(Path(__file__).with_name("equivalent.toml").read_text())
    return frozenset((module, each["line"], each["changed"]) for module, every in listed.items() for each in every)


def together(shares: Iterable[Score]) -> Score:
    """The score of a module whose mutants were shared out."""
    every = list(shares)
    survivors = sorted(chain.from_iterable(each.survivors for each in every), key=lambda each: each.number)
    return Score(every[0].module, sum(each.killed for each in every), survivors)


def try_share(module: str, sample: int | None, tree: Path, share: slice) -> Score:
    """Break `module` in `tree` in each way there is, or in `sample` of them, of which `share` is this worker's, and
    run its tests each time."""
    configuration, session = tree / "mutants.toml", tree / "mutants.sqlite"
    session.unlink(missing_ok=True)
    tests = " ".join(f"tests/{file}" for file in TESTS[module])
    # A law is tried with the same examples each time, so that a mutant's fate is no matter of luck.
    command = f"{_python(tree)} -m pytest -q -x -p no:cacheprovider --hypothesis-seed=0 --timeout={HUNG} {tests}"
    configuration.write_text(
        f'[cosmic-ray]\nmodule-path = "{module}"\ntimeout = 600.0\nexcluded-modules = []\n'
        f'test-command = "{command}"\n[cosmic-ray.distributor]\nname = "local"\n'
    )
    _cosmic_ray(tree, "init", str(configuration), str(session))
    database = WorkDB(session, WorkDB.Mode.open)
    try:
        _leave_out(database, (tree / module).read_text(), sample, share)
        # Without a mutant they have to pass, or each would count as killed.
        _cosmic_ray(tree, "baseline", str(configuration))
        _cosmic_ray(tree, "exec", str(configuration), str(session))
        return _score(database, module)
    finally:
        database.close()


def _leave_out(database: WorkDB, source: str, sample: int | None, share: slice) -> None:
    """Decide what is not tried here: what says nothing new, what changes a type or how a value is given, alone, and
    what another worker tries."""
    annotations, lines = list(_annotations(ast.parse(source))), source.splitlines()
    kept: list[WorkItem] = []
    for item in database.work_items:
        (mutation,) = item.mutations
        line, column = mutation.start_pos
        is_marker = lines[line - 1][column:].startswith("*,")
        is_for_types = _FOR_TYPES.search(lines[line - 1]) or _is_within(mutation, annotations)
        wanted = mutation.operator_name.removeprefix("core/") in OPERATORS and not is_marker and not is_for_types
        if wanted:
            kept.append(item)
    kept.sort(key=_place)
    if sample is not None:
        kept = sorted(Random(0).sample(kept, min(sample, len(kept))), key=_place)
    here = kept[share]
    left_out = [item for item in database.work_items if item not in here]
    database.set_multiple_results([item.job_id for item in left_out], WorkResult(worker_outcome=WorkerOutcome.SKIPPED))


def _place(item: WorkItem) -> tuple[tuple[int, int], str, int]:
    (mutation,) = item.mutations
    return tuple(mutation.start_pos), mutation.operator_name, mutation.occurrence


def _annotations(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(annotation=annotation) | ast.arg(annotation=ast.expr() as annotation):
                yield annotation
            case ast.FunctionDef(returns=ast.expr() as annotation):
                yield annotation


def _is_within(mutation: MutationSpec, expressions: Sequence[ast.expr]) -> bool:
    return any(
        (each.lineno, each.col_offset)
        <= tuple(mutation.start_pos)
        < (each.end_lineno or each.lineno, each.end_col_offset or 0)
        for each in expressions
    )


def _score(database: WorkDB, module: str) -> Score:
    killed, survivors = 0, []
    for item, result in database.completed_work_items:
        if result.worker_outcome is not WorkerOutcome.NORMAL:
            continue  # left out above, or one that Cosmic Ray can't make: of `except (a.B, C)`
        if result.test_outcome is TestOutcome.KILLED:
            killed += 1
        else:
            survivors.append(_survivor(module, item.mutations[0], result.diff or ""))
    return Score(module, killed, survivors)


def _survivor(module: str, mutation: MutationSpec, diff: str) -> Survivor:
    changed = [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    before = " ".join(line[1:].strip() for line in changed if line[0] == "-")
    after = " ".join(line[1:].strip() for line in changed if line[0] == "+")
    return Survivor(module, before, after, mutation.start_pos[0], mutation.definition_name or "the module")


def _make_worker(tree: Path) -> Path:
    """A copy of the checkout as it lies here, and an environment beside it that runs from it."""
    rmtree(tree, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            copy2(ROOT / name, tree / name)
    environment = _python(tree).parents[1]
    subprocess.run(["uv", "venv", "--quiet", "--clear", "--python", sys.executable, environment], check=True)
    subprocess.run(
        ["uv", "pip", "install", "--quiet", "--python", _python(tree), "--constraint", "constraints.txt",
         "--group", "test", "--editable", ".[collector]"],
        cwd=tree,
        check=True,
    )  # fmt: skip
    return tree


def _python(tree: Path) -> Path:
    return tree.with_name(f"{tree.name}-environment") / "bin" / "python"


def _cosmic_ray(tree: Path, *arguments: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "cosmic_ray.cli", *arguments], cwd=tree, capture_output=True, text=True, check=False
    )
    if ended.returncode != 0:
        raise RuntimeError(f"cosmic-ray {arguments[0]} failed:\n{ended.stdout[-5000:]}{ended.stderr[-5000:]}")


def _module(path: str) -> str:
    if path not in TESTS:
        raise argparse.ArgumentTypeError(f"{path} is none of: {', '.join(TESTS)}")
    return path


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the workers live")
    parser.add_argument("modules", nargs="*", type=_module, help="which to break; all of them without any")
    parser.add_argument("--sample", type=int, help="try no more than so many mutants of each, the same each time")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
