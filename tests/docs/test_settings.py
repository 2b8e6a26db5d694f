"""The page of settings has every variable and every key that the source reads, and no others."""

import re

from reading import ROOT

PAGE = (ROOT / "docs" / "settings.md").read_text()
VARIABLES, KEYS = PAGE.split("\n## Keys\n")
SOURCES = [
    path.read_text()
    for folder in ("sst_core", "sst_aws", "plugins")
    for path in (ROOT / folder).rglob("*.py")
    if "testing" not in path.parts
]
_TABLE = r"telemetry_(?:table|in)\((?:[^()]|\([^()]*\))*\)"
_READ = re.compile(rf'(?:(?:settings|table|{_TABLE})\.get\(|text_setting\([\w.]+, )"(\w+)"')
DECLARATION = {"label", "purpose", "to", "values"}
"""Read from a plugin's telemetry.toml, which docs/collecting-plugins.md is about."""


def named_in(page: str) -> set[str]:
    """What the first column of each table names."""
    return {name for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for name in re.findall(r"`(.*?)`", row)}


def test_it_has_each_variable_that_is_read() -> None:
    read = {name for text in SOURCES for name in re.findall(r'"(SST_[A-Z_]+)"', text)}
    read |= {f"SST_{name}" for text in SOURCES for name in re.findall(r"\bvariable\([\"']([A-Z_]+)[\"']\)", text)}

    assert {name for name in named_in(VARIABLES) if name.startswith("SST_")} == read


def test_it_has_each_key_that_is_read() -> None:
    read = {name for text in SOURCES for name in _READ.findall(text)} - DECLARATION

    assert {part for name in named_in(KEYS) for part in name.split(".")} == read | {"tasks", "sam", "cdk"}
