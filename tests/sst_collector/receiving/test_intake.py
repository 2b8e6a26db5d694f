"""Taking in what needs the site key: whatever becomes of the key, somebody waits for an answer."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, cast

import falcon
import pytest

from sst_collector.metrics import Metrics
from sst_collector.receiving.body import Room
from sst_collector.receiving.intake import Intake
from sst_collector.receiving.legacy import LegacyDecoder
from sst_collector.receiving.rates import Rates
from sst_collector.receiving.schema import Decoder
from sst_collector.site_key import NoKeyYet
from sst_core import SST

LINE = json.dumps({"projectId": "x"}).encode()
"""Enough of the original client's for it to be asked."""


class Keys:
    """A site key that can't be had, in each way there is."""

    def __init__(self, fetching: Exception | None, then: Exception | bytes) -> None:
        self.fetching, self.then, self.fetched = fetching, then, False

    def current(self) -> bytes:
        if not self.fetched:
            raise NoKeyYet
        if isinstance(self.then, Exception):
            raise self.then
        return self.then

    def fetch(self) -> None:
        self.fetched = True
        if self.fetching is not None:
            raise self.fetching


def answers(keys: Keys, times: int = 1) -> list[Any]:
    def submit(records: Sequence[bytes], committed: Any) -> None:
        committed(None)

    async def main() -> list[Any]:
        answered: list[Any] = []
        intake = Intake(
            record=Decoder(SST.catalogue).record,
            legacy=LegacyDecoder(SST.catalogue),
            site_key=cast(Any, keys),
            rates=Rates(0, (), lambda: 0.0),
            submit=submit,
            metrics=Metrics(),
            room=Room(),
        )
        for _ in range(times):
            keys.fetched = False
            intake.take_in(LINE, None, answered.append, None, None)
            await asyncio.gather(*intake._fetching)
        return answered

    return asyncio.run(main())


def test_a_key_that_cannot_be_fetched_is_a_503_and_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    found = answers(Keys(PermissionError(13, "not yours"), NoKeyYet()), times=3)

    assert [type(each) for each in found] == [falcon.HTTPServiceUnavailable] * 3
    assert found[0].headers["Retry-After"]
    assert capsys.readouterr().err == "collector: the site key can't be used: not yours\n"


def test_a_week_that_ends_in_that_very_moment_is_a_503() -> None:
    (found,) = answers(Keys(None, NoKeyYet()))

    assert isinstance(found, falcon.HTTPServiceUnavailable)


def test_a_crash_with_the_key_is_a_500_that_says_nothing_of_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = answers(Keys(None, RuntimeError("projectId x")))

    assert isinstance(found, falcon.HTTPInternalServerError)
    assert capsys.readouterr().err == "collector: a request failed: RuntimeError\n"


def test_with_the_key_the_line_is_looked_at() -> None:
    (found,) = answers(Keys(None, b"k" * 32))

    told = json.loads(found)
    assert (told["accepted"], [each["line"] for each in told["rejected"]]) == (0, [1])
