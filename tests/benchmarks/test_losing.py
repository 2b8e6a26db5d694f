"""What is lost when the collector is down and then back: nothing by `sst`, everything by a program that forgets."""

import subprocess
import sys
from pathlib import Path

import pytest

from sst_core.testing import PATIENCE

# In a process of its own, which takes each of its children for a part of what it measures.
_LOSE = """
import re, sys
from pathlib import Path
from losing import lost
from measuring import become_subreaper
from programs import Program, sst

FORGETFUL = '''
import os, urllib.request
try:
    urllib.request.urlopen(os.environ["COLLECTOR"], os.environ["RUN"].encode(), timeout=5)
except OSError:
    pass
'''
forgetful = Program(
    "forgetful", [sys.executable, "-c", FORGETFUL], lambda to: {"COLLECTOR": to.url}, re.compile(rb"run-\\d{6}")
)
become_subreaper()
print(lost({"sst": sst, "forgetful": lambda: forgetful}[sys.argv[1]](), Path(sys.argv[2]), runs=5))
"""


@pytest.mark.parametrize(("program", "lost"), [("sst", 0), ("forgetful", 5)])
def test_what_is_lost_is_counted(program: str, lost: int, tmp_path: Path) -> None:
    benchmarks = Path(__file__).parents[2] / "benchmarks"

    counted = subprocess.run(
        [sys.executable, "-c", _LOSE, program, str(tmp_path)],
        cwd=benchmarks,
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        check=False,
    )

    assert (counted.stdout, counted.stderr) == (f"{lost}\n", "")
