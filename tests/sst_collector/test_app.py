from collections.abc import Sequence
from pathlib import Path

import pytest
from falcon.testing import TestClient

from sst_collector.app import Parts, create_app
from sst_collector.legacy import LegacyDecoder
from sst_collector.metrics import Metrics
from sst_collector.rates import Rates
from sst_collector.schema import Decoder
from sst_collector.site_key import SiteKey
from sst_collector.weeks import utc_now
from sst_core import SST


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    async def append(_records: Sequence[bytes]) -> None:
        raise RuntimeError("hunter2")

    return Parts(
        decoder=Decoder(SST.catalogue),
        legacy=LegacyDecoder(SST.catalogue),
        site_key=SiteKey(tmp_path, utc_now),
        rates=Rates(0, (), lambda: 0.0),
        append=append,
        site=dict,
        failure=lambda: None,
        metrics=Metrics(),
    )


def test_a_crash_says_its_type_and_nothing_of_what_was_sent(parts: Parts, capsys: pytest.CaptureFixture[str]) -> None:
    answer = TestClient(create_app(parts)).simulate_post("/events", body="hunter2")
    assert (answer.status_code, answer.json) == (500, {"title": "500 Internal Server Error"})
    assert capsys.readouterr().err == "collector: a request failed: RuntimeError\n"
