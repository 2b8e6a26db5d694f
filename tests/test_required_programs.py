"""What a machine lacks skips a test there, and fails it in CI: a check is not green for what it did not look at."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import tracing
from permissions import give_away
from required_programs import needed

TESTS = Path(__file__).parent
REASON = r"is not installed$|may not trace here: .*not permitted$|^only root can give a file away$"

Lack = Callable[[pytest.MonkeyPatch, Path], Callable[[], object]]


def a_program(monkeypatch: pytest.MonkeyPatch, nothing: Path) -> Callable[[], object]:
    """One that is not installed."""
    return lambda: needed("no-such-program")


def strace(monkeypatch: pytest.MonkeyPatch, nothing: Path) -> Callable[[], object]:
    """The one that tests of silence look with."""
    monkeypatch.setenv("PATH", str(nothing))
    return tracing.required


def the_right_to_trace(monkeypatch: pytest.MonkeyPatch, nothing: Path) -> Callable[[], object]:
    """It is installed, and forbidden, as in some containers."""
    forbidden = nothing / "strace"
    forbidden.write_text("#!/bin/sh\necho 'strace: ptrace(PTRACE_TRACEME): Operation not permitted' >&2\nexit 1\n")
    forbidden.chmod(0o755)
    monkeypatch.setenv("PATH", str(nothing))
    return lambda: tracing.alone(nothing / "log")


def the_rights_of_root(monkeypatch: pytest.MonkeyPatch, nothing: Path) -> Callable[[], object]:
    """What a stranger can do is shown with a stranger's file."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    return lambda: give_away(nothing)


LACKS: tuple[Lack, ...] = (a_program, strace, the_right_to_trace, the_rights_of_root)


@pytest.mark.parametrize("lack", LACKS, ids=lambda lack: str(lack.__name__))
def test_what_is_lacking_skips_a_test_and_fails_it_in_ci(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lack: Lack
) -> None:
    ask = lack(monkeypatch, tmp_path)

    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=REASON):
        ask()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=REASON):
        ask()


def test_a_check_that_goes_on_without_a_trace_does_not_do_so_in_ci(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    monkeypatch.delenv("CI", raising=False)
    assert not tracing.can_trace()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception):
        tracing.can_trace()


def test_no_test_has_a_way_of_its_own_to_skip_what_only_root_can_show() -> None:
    own = re.compile(r"skipif\(os\.geteuid|geteuid\(\)[^\n]*:\n\s*pytest\.skip|skip\([^)]*(root|mount)")

    assert own.search('@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")')
    assert own.search('if os.geteuid() != 0:\n    pytest.skip("not here")')
    files = [file for file in TESTS.rglob("*.py") if file != Path(__file__)]
    assert [file for file in files if own.search(file.read_text())] == []
