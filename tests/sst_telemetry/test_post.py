"""One request and what its answer means: only a collector's own account of every line removes one."""

import gzip
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopback import Answer, Flood, Loopback, accounting, answer, dripping, dripping_bytes, hanging, raw, refusing
from proxying import HOST, Authority, Proxy
from sst_core import ConfigurationError
from sst_core.testing import PATIENCE
from sst_telemetry.post import MAX_ANSWER, Accounted, AddressError, Connection, Failed, Refused

LINES = [b'{"a":1}', b'{"b":2}', b'{"c":3}']

SHARED = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

JSON = {"Content-Type": "application/json"}


class Canned(httpx.BaseTransport):
    """Answers at once, and counts what is read of its body."""

    def __init__(self, status: int, body: Callable[[], Iterator[bytes]], headers: Mapping[str, str]) -> None:
        self.status, self.body, self.headers = status, body, headers
        self.read = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        outer = self

        class Stream(httpx.SyncByteStream):
            def __iter__(self) -> Iterator[bytes]:
                for piece in outer.body():
                    outer.read += len(piece)
                    yield piece

        return httpx.Response(self.status, headers=self.headers, stream=Stream())


def post(url: str) -> object:
    with Connection(url, "sst") as connection:
        return connection.post(LINES)


def canned(transport: Canned) -> object:
    with Connection("http://127.0.0.1/events", "sst", transport) as connection:
        return connection.post(LINES)


def test_the_body_is_one_line_a_run_compressed_and_holds_no_time(loopback: Loopback) -> None:
    assert post(loopback.url) == Accounted(3, 0)

    (request,) = loopback.requests
    assert request.body == b'{"a":1}\n{"b":2}\n{"c":3}\n'
    compressed = request.raw.partition(b"\r\n\r\n")[2]
    assert compressed == gzip.compress(request.body, mtime=0)
    assert compressed[4:8] == b"\0\0\0\0"


def test_the_head_of_a_request_says_nothing_about_the_user(loopback: Loopback) -> None:
    post(loopback.url)

    (request,) = loopback.requests
    assert request.head[0] == "POST /events HTTP/1.1"
    length = len(request.raw.partition(b"\r\n\r\n")[2])
    assert request.headers == {
        "host": loopback.url.split("/")[2],
        "accept": "application/json",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "user-agent": "sst",
        "content-type": "application/x-ndjson",
        "content-encoding": "gzip",
        "content-length": str(length),
    }


def test_a_password_that_is_kept_for_the_host_is_not_sent(
    loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))

    post(loopback.url)
    httpx.post(loopback.url, content=b"", auth=httpx.NetRCAuth())

    ours, asked_for = loopback.requests
    assert "authorization" not in ours.headers
    assert "authorization" in asked_for.headers, "who asks for it is given it"


def test_a_cookie_is_never_sent_back(loopback: Loopback) -> None:
    loopback.script = [answer(400, headers={"Set-Cookie": "id=you; Path=/"})]

    with Connection(loopback.url, "sst") as connection:
        connection.post(LINES)
        connection.post(LINES)

    assert "cookie" not in loopback.requests[1].headers


def test_plain_http_never_leaves_the_machine_through_a_proxy(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Loopback()
    try:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/events"))

        assert post(loopback.url) == Accounted(3, 0)

        assert proxy.requests == []
    finally:
        proxy.close()


def test_https_goes_through_the_users_proxy(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", loopback.url.removesuffix("/events"))
    loopback.otherwise = answer(502)

    assert isinstance(post("https://collector.example/events"), Failed)

    assert [request.head[0] for request in loopback.requests] == ["CONNECT collector.example:443 HTTP/1.1"]


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that this machine does not know, and no proxy of its own."""
    for name in ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", *SHARED):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return Authority.at(tmp_path / "authority.pem")


@pytest.fixture
def secure(authority: Authority) -> Iterator[Loopback]:
    """A collector that shows a certificate of that authority."""
    server = Loopback(tls=authority.server)
    yield server
    server.close()


@pytest.mark.parametrize("password", [None, "me:p@ss word"])
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_collector_behind_a_proxy_and_with_the_users_own_authority_is_reached(
    secure: Loopback, authority: Authority, monkeypatch: pytest.MonkeyPatch, password: str | None, variable: str
) -> None:
    proxy = Proxy(secure.port, password)
    user = quote("me") + ":" + quote("p@ss word") + "@" if password else ""
    monkeypatch.setenv(variable, f"http://{user}{proxy.address}")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    try:
        assert post(f"https://{HOST}/events") == Accounted(3, 0)

        assert proxy.asked == [f"CONNECT {HOST}:443 HTTP/1.1"]
        (request,) = secure.requests
        assert "proxy-authorization" not in request.headers
    finally:
        proxy.close()


def test_a_proxy_that_wants_a_password_and_gets_none_is_a_failure(
    secure: Loopback, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy(secure.port, "me:secret")
    monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    try:
        assert post(f"https://{HOST}/events") == Failed("ProxyError", unsent=True)
        assert secure.requests == []
    finally:
        proxy.close()


def test_no_proxy_is_honoured(secure: Loopback, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))

    assert post(secure.url) == Accounted(3, 0)


@pytest.mark.parametrize("variable", ["SSL_CERT_DIR", *SHARED])
def test_a_folder_of_authorities_is_honoured(
    secure: Loopback, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    folder = tmp_path / "authorities"
    folder.mkdir()
    hashed = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", authority.file], capture_output=True, text=True, check=True
    ).stdout.strip()
    (folder / f"{hashed}.0").write_bytes(authority.file.read_bytes())
    monkeypatch.setenv(variable, str(folder))

    assert post(secure.url) == Accounted(3, 0)


@pytest.mark.parametrize("variable", SHARED)
def test_authorities_that_are_named_for_other_programs_count_where_none_is_for_openssl(
    secure: Loopback, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(authority.file))
    assert post(secure.url) == Accounted(3, 0)

    monkeypatch.setenv("SSL_CERT_FILE", str(Authority.at(tmp_path / "another.pem").file))
    assert post(secure.url) == Failed("certificate not trusted", unsent=True)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", *SHARED])
def test_a_trusted_certificate_for_another_name_is_a_failure(
    secure: Loopback, authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Whoever has one, of any authority that the machine trusts, could take the collector's place."""
    monkeypatch.setenv(variable, str(authority.file))
    another = Loopback(tls=authority.server_of("another.example", "127.0.0.2"))
    try:
        assert post(another.url) == Failed("certificate not trusted", unsent=True)
        assert another.requests == []
    finally:
        another.close()
    assert post(secure.url) == Accounted(3, 0)


@pytest.mark.usefixtures("authority")
def test_an_authority_that_the_machine_does_not_know_is_a_failure(secure: Loopback) -> None:
    assert post(secure.url) == Failed("certificate not trusted", unsent=True)
    assert secure.requests == []


@pytest.mark.usefixtures("authority")
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTPS_PROXY", "nonsense://x"),
        ("HTTPS_PROXY", "http://x:y"),
        ("SSL_CERT_FILE", "/nowhere.pem"),
        ("SSL_CERT_FILE", __file__),
        ("REQUESTS_CA_BUNDLE", "/nowhere.pem"),
        ("REQUESTS_CA_BUNDLE", __file__),
    ],
)
def test_settings_that_cannot_be_used_are_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(ConfigurationError, match=rf"proxy or certificate settings can't be used \({variable}\)"):
        Connection("https://collector.example/events", "sst")


@pytest.mark.usefixtures("authority")
@pytest.mark.parametrize("between", ["/", "#", "?", ":", "@"])
@pytest.mark.parametrize("scheme", ["http", "htp", "socks5"])
def test_no_part_of_a_proxys_password_is_in_the_words_for_one_that_can_not_be_used(
    monkeypatch: pytest.MonkeyPatch, scheme: str, between: str
) -> None:
    monkeypatch.setenv("https_proxy", f"{scheme}://alice:Tr0ub4dor{between}3xample@proxy:http")

    with pytest.raises(ConfigurationError) as refused:
        Connection("https://collector.example/events", "sst")

    for part in ("alice", "Tr0ub4dor", "3xample"):
        assert part not in str(refused.value)
    assert "(https_proxy)" in str(refused.value)


@pytest.mark.usefixtures("authority")
def test_a_module_that_httpx_lacks_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as lacking:
        lacking.setitem(sys.modules, "certifi", None)
        with pytest.raises(ModuleNotFoundError, match="certifi"):
            Connection("https://collector.example/events", "sst")

    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy:1")
    with pytest.raises(ConfigurationError, match=r"\(ALL_PROXY\): a proxy that speaks SOCKS needs the package socksio"):
        Connection("https://collector.example/events", "sst")


@pytest.mark.usefixtures("authority")
def test_an_address_that_no_request_can_be_made_to_is_not_blamed_on_a_proxy() -> None:
    with pytest.raises(AddressError, match=r"^The collector's address can't be used: https://xn--a\.example/events\.$"):
        Connection("https://xn--a.example/events", "sst")


def test_all_that_was_sent_may_be_rejected(loopback: Loopback) -> None:
    loopback.otherwise = answer(200, b'{"accepted": 0, "rejected": [1, 2, 3]}', JSON)

    assert post(loopback.url) == Accounted(0, 3)


def test_what_is_rejected_by_line_is_accounted_for(loopback: Loopback) -> None:
    loopback.script = [accounting(reject=[2])]

    assert post(loopback.url) == Accounted(2, 1)


@pytest.mark.parametrize("status", [400, 413])
def test_what_the_collector_cannot_read_is_refused(loopback: Loopback, status: int) -> None:
    loopback.script = [answer(status)]

    assert post(loopback.url) == Refused(str(status))


@pytest.mark.parametrize("status", [201, 204, 401, 403, 404, 405, 408, 422, 429, 500, 502, 503])
def test_any_other_status_is_a_failure(loopback: Loopback, status: int) -> None:
    accounts = b'{"accepted": 3, "rejected": []}'
    loopback.script = [answer(status, b"" if status == 204 else accounts, JSON)]

    assert post(loopback.url) == Failed(str(status))


@pytest.mark.parametrize(
    "body",
    [
        b"<html>You are online!</html>",
        b"",
        b"{",
        b"[]",
        b"null",
        b"3",
        b"\xff\xfe",
        b"[" * 60000,
        b'{"accepted": 3}',
        b'{"rejected": []}',
        b'{"accepted": 2, "rejected": []}',
        b'{"accepted": 4, "rejected": []}',
        b'{"accepted": true, "rejected": [1, 2]}',
        b'{"accepted": 3.0, "rejected": []}',
        b'{"accepted": "3", "rejected": []}',
        b'{"accepted": -1, "rejected": [1, 2, 3, 4]}',
        b'{"accepted": 3, "rejected": {}}',
        b'{"accepted": 3, "rejected": 0}',
        b'{"accepted": 3, "rejected": []}' + b" " * MAX_ANSWER,
    ],
)
def test_a_200_that_does_not_account_for_every_line_is_a_failure(loopback: Loopback, body: bytes) -> None:
    loopback.script = [answer(200, body, JSON)]

    assert post(loopback.url) == Failed("200, but not a collector's answer")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(loopback: Loopback, status: int) -> None:
    elsewhere = Loopback()
    try:
        loopback.script = [answer(status, headers={"Location": elsewhere.url})]

        assert post(loopback.url) == Failed(str(status))

        assert (len(loopback.requests), elsewhere.requests) == (1, [])
    finally:
        elsewhere.close()


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"X: y\r\n" * 50000,
    ],
)
def test_rubbish_is_a_failure(loopback: Loopback, response: bytes) -> None:
    loopback.script = [raw(response)]

    assert isinstance(post(loopback.url), Failed)


def test_refusing_is_a_failure() -> None:
    bound, url = refusing()
    with bound:
        assert post(url) == Failed("connection refused", unsent=True)


def test_what_leaves_without_an_answer_is_said_to(loopback: Loopback) -> None:
    loopback.script = [raw(b"")]

    assert post(loopback.url) == Failed("no whole HTTP answer")


def leaving_in_plain_text(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def resetting(connection: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(1)
    left = int(head.lower().partition(b"content-length: ")[2].split()[0])
    while left:  # who is reset while it still writes is told something else
        left -= len(connection.recv(left))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize(
    ("scheme", "behave", "said"),
    [("https", leaving_in_plain_text, "TLS failed"), ("http", resetting, "connection reset")],
    ids=["plain text", "reset"],
)
def test_a_connection_that_comes_to_nothing_is_said_to(
    scheme: str, behave: Callable[[socket.socket], None], said: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as connection:
                behave(connection)

        serving = threading.Thread(target=serve)
        serving.start()

        assert post(f"{scheme}://127.0.0.1:{server.getsockname()[1]}/events") == Failed(said, unsent=scheme == "https")

        serving.join(PATIENCE)


def test_a_failure_that_nobody_has_words_for_has_its_name() -> None:
    class Failing(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            raise httpx.ReadError("odd", request=request)

    with Connection("http://127.0.0.1:9/events", "sst", Failing()) as connection:
        assert connection.post(LINES) == Failed("ReadError")


def test_a_name_that_does_not_exist_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:  # what a name server answers, and how soon, is no matter of ours
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert post("https://collector.invalid/events") == Failed("name not found", unsent=True)


def test_hanging_is_a_failure(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sst_telemetry.post._TIMEOUT", httpx.Timeout(0.2))
    loopback.script = [hanging]

    assert post(loopback.url) == Failed("timed out")


@pytest.mark.parametrize("reply", [dripping, dripping_bytes])
@pytest.mark.parametrize("encrypted", [False, True])
def test_an_answer_that_drips_for_ever_is_a_failure(
    loopback: Loopback,
    secure: Loopback,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    reply: Answer,
    encrypted: bool,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    server = secure if encrypted else loopback
    server.script = [accounting(), reply]

    with Connection(server.url, "sst") as connection:
        assert connection.post(LINES) == Accounted(3, 0)
        # On the same connection: httpx tells of none that is new.
        monkeypatch.setattr("sst_telemetry.post.REQUEST_SECONDS", 1.5)
        assert connection.post(LINES) == Failed("it took too long")
        monkeypatch.setattr("sst_telemetry.post.REQUEST_SECONDS", PATIENCE)
        assert connection.post(LINES) == Accounted(3, 0)


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes that this thread takes off its sockets, at each reading."""
    sizes: list[int] = []
    reader = threading.get_ident()
    for kind in (socket.socket, ssl.SSLSocket):

        def counting(self: socket.socket, *arguments: int, _recv: Callable[..., bytes] = kind.recv) -> bytes:
            content = _recv(self, *arguments)
            if threading.get_ident() == reader:
                sizes.append(len(content))
            return content

        monkeypatch.setattr(kind, "recv", counting)
    return sizes


FLOODS: Mapping[str, tuple[Flood, str]] = {
    "a length": (Flood(), "200, but not a collector's answer"),
    "no length": (Flood(b"HTTP/1.1 200 OK\r\n\r\n"), "200, but not a collector's answer"),
    "in chunks": (
        Flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + b" " * 1000 + b"\r\n"),
        "200, but not a collector's answer",
    ),
    "more than its length": (
        Flood(b"HTTP/1.1 200 OK\r\nContent-Length: 65000\r\n\r\n"),
        "200, but not a collector's answer",
    ),
    "a head": (Flood(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000), "an answer that is too long"),
    "another status": (Flood(b"HTTP/1.1 500 Whatever\r\n\r\n"), "500"),
}


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("flood", FLOODS)
def test_of_a_gigabyte_no_more_than_the_bound_is_taken_off_the_socket(
    loopback: Loopback,
    secure: Loopback,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    received: list[int],
    flood: str,
    encrypted: bool,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    server = secure if encrypted else loopback
    server.otherwise, said = FLOODS[flood]

    assert post(server.url) == Failed(said)

    assert 0 < sum(received) <= MAX_ANSWER == 65536


def test_each_answer_on_a_connection_may_have_as_much(loopback: Loopback) -> None:
    accounts = b'{"accepted": 3, "rejected": []}'
    loopback.otherwise = answer(200, accounts + b" " * (MAX_ANSWER - 1000), JSON)

    with Connection(loopback.url, "sst") as connection:
        assert [connection.post(LINES) for _ in range(3)] == [Accounted(3, 0)] * 3


@pytest.mark.parametrize("padding", [0, 5_000_000])
def test_a_compressed_answer_which_nobody_asked_for_is_never_blown_up(loopback: Loopback, padding: int) -> None:
    bomb = gzip.compress(b" " * padding + b'{"accepted": 3, "rejected": []}')
    loopback.script = [answer(200, bomb, {**JSON, "Content-Encoding": "gzip"})]

    assert isinstance(post(loopback.url), Failed)


@given(st.integers(min_value=0, max_value=10**8))
@settings(max_examples=50, deadline=None)
def test_retry_after_in_seconds(seconds: int) -> None:
    asked = canned(Canned(503, lambda: iter([b""]), {"Retry-After": f" {seconds} "}))

    assert asked == Failed("503", float(seconds))


@given(st.integers(min_value=60, max_value=10**7))
@settings(max_examples=50, deadline=None)
def test_retry_after_as_a_date_means_the_same(seconds: int) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)

    asked = canned(Canned(503, lambda: iter([b""]), {"Retry-After": date}))

    assert isinstance(asked, Failed)
    assert asked.retry_after is not None
    assert seconds - 10 <= asked.retry_after <= seconds


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40) | st.from_regex(r"[0-9]{1,400}"))
@settings(max_examples=200, deadline=None)
def test_retry_after_that_is_rubbish_is_none_or_a_number(value: str) -> None:
    headers = httpx.Headers([(b"Retry-After", value.encode("latin-1", "replace"))])

    asked = canned(Canned(503, lambda: iter([b""]), headers))

    assert isinstance(asked, Failed)
    assert asked.retry_after is None or asked.retry_after >= 0


def test_a_date_that_has_passed_is_no_wait() -> None:
    asked = canned(Canned(503, lambda: iter([b""]), {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}))

    assert asked == Failed("503", 0.0)


def test_time_may_be_up_before_there_is_a_connection() -> None:
    with Connection("http://127.0.0.1:9/events", "sst") as connection:
        connection._end_connection()

        assert connection._name(OSError()) == "it took too long"
