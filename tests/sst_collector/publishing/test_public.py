from collections.abc import Sequence

import pytest
from falcon.testing import TestClient

from collecting import Collector, StartCollector
from sst_collector.app import Parts, create_app
from sst_collector.metrics import Metrics
from sst_collector.publishing.site import Site, site
from sst_collector.publishing.snapshot import nothing_published
from sst_collector.receiving.body import Room
from sst_collector.receiving.rates import Rates
from sst_core import SST

FILES = site(nothing_published(SST.catalogue), SST.catalogue, "sst")


class Published:
    """What is published, which a test changes."""

    def __init__(self) -> None:
        self.files: Site = FILES

    def __call__(self) -> Site:
        return self.files


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
def client(published: Published) -> TestClient:
    return a_client(published)


def a_client(published: Published, *, is_private: bool = False) -> TestClient:
    async def append(_records: Sequence[bytes]) -> None:
        """Nothing is sent here."""

    parts = Parts(
        rates=Rates(0, (), lambda: 0.0),
        append=append,
        site=published,
        is_private=is_private,
        failure=lambda: None,
        metrics=Metrics(),
        room=Room(),
    )
    return TestClient(create_app(parts))


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_as_it_is(name: str, client: TestClient) -> None:
    answer = client.simulate_get(f"/{name}")
    assert (answer.status_code, answer.content) == (200, FILES[name].content)
    assert answer.headers["content-type"] == FILES[name].media_type
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers


def test_the_first_page_is_at_the_root(client: TestClient) -> None:
    assert client.simulate_get("/").content == FILES["index.html"].content


def test_the_policy_lets_a_page_load_its_style_and_its_icon_and_nothing_else(client: TestClient) -> None:
    policy = client.simulate_get("/").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert not any(word in policy for word in ("unsafe", "script-src", "http", "*"))


@pytest.mark.parametrize("path", ["/", *(f"/{name}" for name in FILES)])
def test_other_websites_may_read_public_numbers_and_no_private_ones(path: str, published: Published) -> None:
    readers = [
        a_client(published, is_private=is_private).simulate_get(path).headers.get("access-control-allow-origin")
        for is_private in (False, True)
    ]
    assert readers == ["*", None]


def test_a_collector_is_private_that_withholds_nothing(
    start_collector: StartCollector, shared_collector: Collector
) -> None:
    public = start_collector("--min-machines", "2")
    assert "access-control-allow-origin" in public.client.get("/stats.json").headers
    assert "access-control-allow-origin" not in shared_collector.client.get("/stats.json").headers


def test_who_has_it_already_is_told_so_until_it_changes(client: TestClient, published: Published) -> None:
    etag = client.simulate_get("/").headers["etag"]
    again = client.simulate_get("/", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    published.files = site(nothing_published(SST.catalogue), SST.catalogue, "other")
    changed = client.simulate_get("/", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert b"other in numbers" in changed.content


def test_head_is_get_without_the_body(client: TestClient) -> None:
    answer = client.simulate_head("/")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["etag"] == client.simulate_get("/").headers["etag"]


def test_nothing_is_served_from_the_disk(client: TestClient, shared_collector: Collector) -> None:
    data = shared_collector.data
    shared_collector.wait_until((data / "snapshot.json").exists)
    for path in ("snapshot.json", "warehouse.duckdb"):
        assert (data / path).exists()
        for address in (f"/{path}", f"/../{path}", f"/%2e%2e/{path}", str(data / path), f"/{data / path}"):
            assert shared_collector.client.get(address).status_code == 404, address
    assert client.simulate_get("/templates/page.html").status_code == 404
