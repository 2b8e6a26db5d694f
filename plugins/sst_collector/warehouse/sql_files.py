"""The SQL, read from its files: statements that both dialects share, and a folder of its own for each dialect.

A folder has the dialect's named statements in `queries.sql`, and numbered files: its migrations.
"""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from string import Template

_SQL = files(__package__) / "sql"


def statements(dialect: str) -> Mapping[str, Template]:
    """By name, the shared statements and those of `dialect`."""
    return {
        name: Template(_uncommented(text))
        for file in (_SQL / "queries.sql", _SQL / dialect / "queries.sql")
        for name, text in re.findall(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", file.read_text(), re.M | re.S)
    }


def migrations(dialect: str) -> Sequence[tuple[str, str]]:
    """The name and the text of each migration, in order."""
    numbered = [file for file in (_SQL / dialect).iterdir() if file.name[0].isdigit()]
    return sorted((file.name, _uncommented(file.read_text())) for file in numbered)


def _uncommented(sql: str) -> str:
    return re.sub(r"^--.*\n", "", sql, flags=re.M).strip()
