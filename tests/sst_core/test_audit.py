"""The audit fails on the day on which a review expires, and announces it for a month."""

import subprocess
from dataclasses import replace
from datetime import date, timedelta

import pytest

from installed import PYTHON
from sst_core import SST
from sst_core.audit import NOTICE_PERIOD, audit, main

FIELDS = SST.catalogue.fields
DAY = date(2030, 6, 15)


def catalogue_expiring(day: date):  # type: ignore[no-untyped-def]
    later = (DAY + timedelta(days=400)).isoformat()
    fields = [replace(field, expires=later) for field in FIELDS]
    fields[2] = replace(fields[2], expires=day.isoformat())
    return replace(SST.catalogue, fields=tuple(fields))


@pytest.mark.parametrize(
    ("expires", "expired", "due"),
    [
        (DAY - timedelta(days=1), True, False),
        (DAY, True, False),
        (DAY + timedelta(days=1), False, True),
        (DAY + NOTICE_PERIOD, False, True),
        (DAY + NOTICE_PERIOD + timedelta(days=1), False, False),
    ],
)
def test_a_review_is_due_for_a_month_and_then_expired(expires: date, expired: bool, due: bool) -> None:
    found = audit(catalogue_expiring(expires), DAY)

    assert [field.key for field in found.expired] == ([FIELDS[2].key] if expired else [])
    assert [field.key for field in found.due] == ([FIELDS[2].key] if due else [])
    assert found.passed is not expired


def test_it_prints_what_has_expired_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(SST.target, date.fromisoformat(FIELDS[0].reviewed)) == 0
    assert "0 expired" in capsys.readouterr().out

    assert main(SST.target, date.fromisoformat(FIELDS[0].expires)) == 1
    out = capsys.readouterr().out
    assert f"expired {FIELDS[0].expires}: {FIELDS[0].key}" in out


def test_it_runs_as_a_program() -> None:
    run = subprocess.run(
        [*PYTHON, "-m", "sst_core.audit", SST.target], capture_output=True, text=True, check=False, timeout=30
    )

    assert run.returncode in (0, 1), "an old tag has to pass this test for ever"
    assert f"{len(FIELDS)} fields on " in run.stdout


def test_what_is_due_and_what_has_expired_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for expires, code, word in ((DAY, 1, "expired"), (DAY + NOTICE_PERIOD, 0, "due    ")):
        product = replace(SST, catalogue=catalogue_expiring(expires))
        monkeypatch.setattr("sst_core.sst.SST", product)
        assert main("sst_core.sst:SST", DAY) == code
        line = f"{word} {expires}: {FIELDS[2].key}, last reviewed {FIELDS[2].reviewed} by {FIELDS[2].reviewer}"
        printed = capsys.readouterr().out
        assert printed.splitlines()[0] == line
        assert ("Review each" in printed) is bool(code)
