"""The threat model leads somewhere: the code, the tests and the headings that it names are there."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text()
CLAIMS = re.findall(r"^- (?=\*\*)(.*?)(?=^- |^$)", PAGE, re.MULTILINE | re.DOTALL)

_NAMED = re.compile(r"`([^`\s]+)`")


def named(text: str) -> list[str]:
    """The files and tests in `text`."""
    return [name for name in _NAMED.findall(text) if "/" in name and name.partition("::")[0].endswith((".py", ".yml"))]


@cache
def found_in(file: Path) -> frozenset[str]:
    """Each test of a file, by what follows its path in an id of pytest's."""
    return frozenset(_named_tests(ast.parse(file.read_text()).body, ""))


def _named_tests(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for statement in body:
        match statement:
            case ast.ClassDef(name=name, body=inner) if name.startswith("Test"):
                yield from _named_tests(inner, f"{prefix}{name}::")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.startswith("test_"):
                yield prefix + name


def leads_somewhere(name: str) -> bool:
    """Whether the file is there, and in it the test, if one is named."""
    path, _, test = name.partition("::")
    return (ROOT / path).is_file() and (not test or test in found_in(ROOT / path))


def test_there_are_claims() -> None:
    assert len(CLAIMS) > 40
    assert all(f"- {claim}" in PAGE for claim in CLAIMS)
    assert PAGE.count("\n- **") == len(CLAIMS)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.partition("**")[2].partition("**")[0])
def test_a_claim_names_the_code_and_a_test_that_shows_it(claim: str) -> None:
    names = named(claim)

    assert [name for name in names if not name.startswith("tests/")], "no code"
    assert [name for name in names if "::" in name], "no test"


@pytest.mark.parametrize("name", sorted(set(named(PAGE))))
def test_what_is_named_is_there(name: str) -> None:
    assert leads_somewhere(name)


@pytest.mark.parametrize(
    "name",
    [
        "sst_core/nothing.py",
        "tests/sst_core/nothing.py::test_something",
        "tests/sst_core/test_files.py::test_that_was_renamed",
        "tests/sst_collector/test_serve.py::test_what_it_keeps_is_for_its_user_alone",  # of a class
    ],
)
def test_what_is_gone_is_noticed(name: str) -> None:
    assert not leads_somewhere(name)


def test_every_question_is_answered() -> None:
    """Each section that names who attacks has claims, and says what nothing stops."""
    sections = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
    attackers = {
        "A hostile collector",
        "A hostile project folder",
        "A hostile plugin",
        "Invented machines",
        "Another user on the machine",
        "A curious operator",
        "A network observer",
    }

    assert attackers < set(sections)
    for attacker in attackers:
        assert "\n- **" in sections[attacker]
        assert re.search(r"^What .* can (do|see)|can do whatever", sections[attacker], re.MULTILINE), attacker


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)]+)\)", PAGE))))
def test_every_link_leads_to_a_heading(link: str) -> None:
    path, _, anchor = link.partition("#")
    file = ROOT / (path or "SECURITY.md")

    headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert not anchor or anchor in anchors
