from collections.abc import Sequence

import pytest
from falcon.testing import TestClient

from sst_collector.app import Parts, create_app
from sst_collector.schema import Decoder
from sst_core import SST


def test_a_crash_says_its_type_and_nothing_of_what_was_sent(capsys: pytest.CaptureFixture[str]) -> None:
    async def append(_records: Sequence[bytes]) -> None:
        raise RuntimeError("hunter2")

    parts = Parts(decoder=Decoder(SST.catalogue), append=append, snapshot=lambda: b"", failure=lambda: None)
    answer = TestClient(create_app(parts)).simulate_post("/events", body="hunter2")
    assert (answer.status_code, answer.json) == (500, {"title": "500 Internal Server Error"})
    assert capsys.readouterr().err == "collector: a request failed: RuntimeError\n"
