from collections.abc import Sequence

import pytest
from falcon.testing import TestClient

from sst_collector.app import Parts, create_app
from sst_collector.metrics import Metrics
from sst_collector.receiving.body import Room
from sst_collector.receiving.rates import Rates


def client(error: Exception) -> TestClient:
    """An app whose journal raises `error`."""

    async def append(_records: Sequence[bytes]) -> None:
        raise error

    rates = Rates(0, (), lambda: 0.0)
    return TestClient(
        create_app(
            Parts(
                rates=rates,
                append=append,
                site=dict,
                is_private=False,
                failure=lambda: None,
                metrics=Metrics(),
                room=Room(1000),
            )
        )
    )


FORGET = {"anonymousIds": ["0" * 32]}


def test_a_crash_says_its_type_and_nothing_of_what_was_sent(capsys: pytest.CaptureFixture[str]) -> None:
    answer = client(RuntimeError("hunter2")).simulate_post("/forget", json=FORGET)
    assert (answer.status_code, answer.json) == (500, {"title": "500 Internal Server Error"})
    assert capsys.readouterr().err == "collector: a request failed: RuntimeError\n"


def test_what_the_disk_does_not_take_is_a_503() -> None:
    answer = client(OSError(28, "No space left on device")).simulate_post("/forget", json=FORGET)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert answer.json["description"] == "Nothing was stored: No space left on device. Try again later."


def test_there_is_as_much_room_after_a_request_as_before() -> None:
    app = client(OSError(28, "No space left on device"))
    for _ in range(100):
        assert app.simulate_post("/forget", json=FORGET).status_code == 503
        assert app.simulate_post("/forget", body=b"x" * 900).status_code == 400
