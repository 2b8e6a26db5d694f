"""`sst start`: an app's functions on loopback, run by AWS's own runtime client, live."""

import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from sst_core.testing import PATIENCE, PROGRAM, Machine
from sst_sam_apps import write
from waiting import eventually

pytestmark = pytest.mark.timeout(300)

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Parameters:
  Greeting: {Type: String, Default: hello}
Globals:
  Function:
    Runtime: python3.11
    Environment:
      Variables: {GREETING: !Ref Greeting}
Resources:
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src/
      Handler: handler.echo
      Timeout: 2
      Environment:
        Variables: {WHERE: !Sub "${AWS::Region}/${AWS::StackName}", TABLE: !Ref Table}
      Events:
        One: {Type: HttpApi, Properties: {Path: "/echo/{id}", Method: post}}
        Rest: {Type: HttpApi, Properties: {Path: "/files/{proxy+}", Method: ANY}}
        Nightly: {Type: Schedule, Properties: {Schedule: rate(1 day)}}
  Other:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src/
      Handler: handler.other
      Timeout: 4
      Events:
        Any: {Type: HttpApi}
  Script:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: src/, Handler: index.handler, Runtime: nodejs22.x}
  Table:
    Type: AWS::Serverless::SimpleTable
"""

HANDLER = """\
import base64, os, time

def echo(event, context):
    print("seen", event["rawPath"])
    keys = ("GREETING", "WHERE", "TABLE")
    env = [os.environ.get(key) for key in keys]
    return {"event": event, "name": context.function_name, "arn": context.invoked_function_arn, "env": env}

def other(event, context):
    what = event["rawPath"].strip("/")
    if what == "raise":
        raise ValueError("what went wrong")
    if what == "exit":
        os._exit(3)
    if what == "slow":
        time.sleep(20)
    if what == "together":
        time.sleep(2)
    if what == "binary":
        body = base64.b64encode(bytes(range(256))).decode()
        return {"statusCode": 201, "body": body, "isBase64Encoded": True, "cookies": ["a=1", "b=2"],
                "headers": {"x-one": "1\\r\\nx-two: 2"}}
    return {"statusCode": 200, "body": "first"}
"""


class Started:
    """A running `sst start`."""

    def __init__(self, machine: Machine, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [PROGRAM, "start", "--stage", "dev", *arguments, "--", "--port", "0"],
            cwd=machine.folder,
            env=machine.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self.url = self.wait_for("listening on ").split()[-1]

    def wait_for(self, words: str) -> str:
        assert self.process.stderr is not None
        while not any(words in line for line in self.said):
            line = self.process.stderr.readline()
            assert line, self.said
            self.said.append(line.rstrip())
        return next(line for line in self.said if words in line)

    def close(self) -> None:
        assert self.process.stderr is not None
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process.stderr.close()

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return httpx.request(method, self.url + path, timeout=PATIENCE, trust_env=False, **more)


@pytest.fixture
def app(machine: Machine) -> Machine:
    write(machine.folder / "template.yaml", TEMPLATE)
    write(machine.folder / "src" / "handler.py", HANDLER)
    machine.environ |= {"SST_TELEMETRY_DISABLED": "1", "AWS_EC2_METADATA_DISABLED": "true"}
    return machine


@pytest.fixture
def started(app: Machine) -> Iterator[Started]:
    running = Started(app, "--region", "eu-west-1")
    yield running
    running.process.terminate()
    running.process.wait(PATIENCE)
    running.close()


def test_a_request_is_the_event_that_aws_makes_of_it(started: Started, app: Machine) -> None:
    answer = started.ask(
        "POST", "/echo/a%20b?q=1&q=2&empty=", content=b'{"tea": 1}', headers={"X-Own": "yes", "Cookie": "a=1; b=2"}
    )

    told = answer.json()
    event = told["event"]
    assert answer.status_code == 200
    assert told["name"] == "Echo"
    assert told["arn"].startswith("arn:aws:lambda:eu-west-1:")
    assert told["env"] == ["hello", f"eu-west-1/{app.folder.name}-dev", None]
    assert event["version"] == "2.0"
    assert event["routeKey"] == "POST /echo/{id}"
    assert event["pathParameters"] == {"id": "a b"}
    assert event["queryStringParameters"] == {"q": "1,2", "empty": ""}
    assert event["cookies"] == ["a=1", "b=2"]
    assert (event["headers"]["x-own"], event["body"], event["isBase64Encoded"]) == ("yes", '{"tea": 1}', False)
    assert event["requestContext"]["http"]["method"] == "POST"

    rest = started.ask("DELETE", "/files/x/y", content=b"\xff").json()["event"]
    assert (rest["routeKey"], rest["pathParameters"]) == ("ANY /files/{proxy+}", {"proxy": "x/y"})
    assert (rest["body"], rest["isBase64Encoded"]) == ("/w==", True)
    assert started.ask("GET", "/echo/1").text == "first", "what no other route takes"


def test_what_is_not_done_is_said_at_the_start(started: Started) -> None:
    said = "\n".join(started.said)

    assert "note: Echo gets no event of Schedule" in said
    assert "note: Echo has no TABLE: only AWS knows what it stands for" in said
    assert "note: Script is not run: its runtime is nodejs22.x, and only Python's run here" in said
    assert "note: no other event of AWS's arrives here" in said
    assert "POST /echo/{id} -> Echo" in said


def test_requests_and_what_functions_print_are_shown(started: Started) -> None:
    started.ask("POST", "/echo/7")

    assert started.wait_for("| seen") == "Echo | seen /echo/7"
    assert started.wait_for("POST /echo/7").startswith("POST /echo/7 -> Echo 200 in ")


def test_a_change_is_there_at_the_next_request(started: Started, app: Machine) -> None:
    assert started.ask("GET", "/").text == "first"

    write(app.folder / "src" / "handler.py", HANDLER.replace('"first"', '"second"'))
    assert started.ask("GET", "/").text == "second"
    started.wait_for("Other is loaded anew: its code has changed")

    write(app.folder / "src" / "handler.py", "def broken(:\n")
    assert started.ask("GET", "/").status_code == 500
    started.wait_for("Runtime.UserCodeSyntaxError")

    write(app.folder / "src" / "handler.py", HANDLER)
    assert started.ask("GET", "/").text == "first"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/raise", "ValueError: what went wrong"),
        ("/exit", "Runtime.ExitError: Runtime exited with 3"),
        ("/slow", "Sandbox.Timedout: Task timed out after 4.00 seconds"),
    ],
)
def test_a_failure_is_told_to_the_developer_and_not_to_the_client(started: Started, path: str, words: str) -> None:
    answer = started.ask("GET", path)

    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})
    started.wait_for(words)
    assert started.ask("GET", "/").text == "first", "the next one is served"


def test_an_answer_may_be_bytes_with_cookies_and_no_header_more(started: Started) -> None:
    answer = started.ask("GET", "/binary")

    assert (answer.status_code, answer.content) == (201, bytes(range(256)))
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert "x-two" not in answer.headers


def test_requests_at_one_time_are_served_at_one_time(started: Started) -> None:
    started.ask("GET", "/")
    with ThreadPoolExecutor(3) as clients:
        answers = list(clients.map(lambda _: started.ask("GET", "/together").status_code, range(3)))

    assert answers == [200, 200, 200]
    started.wait_for("listening")
    assert len(runtimes(started)) == 3


def test_no_page_of_somebody_elses_gets_at_the_functions(started: Started) -> None:
    assert started.ask("GET", "/", headers={"Host": "evil.example"}).status_code == 403
    page = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert started.ask("POST", "/", headers=page).status_code == 403
    assert started.ask("GET", "/", headers={**page, "Sec-Fetch-Mode": "no-cors"}).status_code == 403
    assert started.ask("GET", "/", headers=page).status_code == 200, "a link that was followed"
    assert started.ask("POST", "/", content=iter([b"chunked"])).status_code == 411


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_ends_when_it_is_told_to_and_leaves_no_process(app: Machine, number: signal.Signals, code: int) -> None:
    started = Started(app)
    started.ask("GET", "/")
    (runtime,) = runtimes(started)

    started.process.send_signal(number)

    assert started.process.wait(PATIENCE) == code
    started.close()
    eventually(lambda: not _is_running(runtime), "the runtime ended")


def test_ctrl_c_at_a_terminal_shows_no_traceback(app: Machine) -> None:
    terminal = app.terminal("start", "--stage", "dev", "--", "--port", "0")
    terminal.wait_for("listening on http://127.0.0.1:")
    url = terminal.text.partition("listening on ")[2].split()[0]
    assert httpx.get(url, trust_env=False, timeout=PATIENCE).text == "first"

    terminal.type("\x03")

    screen = terminal.end()
    assert screen.exit_code == 130
    assert screen.text.endswith("stopped\n")
    assert "Traceback" not in screen.text


def test_a_function_that_does_not_mind_being_ended_is_killed_without_a_word(app: Machine) -> None:
    ignores = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    write(app.folder / "src" / "handler.py", ignores + HANDLER)
    started = Started(app)
    started.ask("GET", "/")
    (runtime,) = runtimes(started)

    started.process.send_signal(signal.SIGINT)

    assert started.process.stderr is not None
    rest = started.process.stderr.read()
    assert "Traceback" not in rest
    assert rest.endswith("stopped\n")
    assert started.process.wait(PATIENCE) == 130
    assert not _is_running(runtime)
    started.close()


def test_a_function_whose_folder_is_gone_is_a_failure_that_is_told(app: Machine, started: Started) -> None:
    source, aside = app.folder / "src", app.folder / "aside"
    source.rename(aside)

    assert started.ask("GET", "/").status_code == 500
    assert str(source) in started.wait_for("Other failed: Runtime.InvalidEntrypoint")
    aside.rename(source)
    assert started.ask("GET", "/").text == "first", "it is back"


def test_killed_it_leaves_no_process_either(app: Machine) -> None:
    started = Started(app)
    started.ask("GET", "/")
    (runtime,) = runtimes(started)

    started.close()

    eventually(lambda: not _is_running(runtime), "the runtime ended")


def test_there_has_to_be_something_to_serve(app: Machine) -> None:
    write(app.folder / "template.yaml", TEMPLATE.replace("HttpApi", "Api"))

    ended = app.sst("start", "--stage", "dev")

    assert ended.returncode == 1
    assert "There is nothing to serve" in ended.stderr
    assert "Echo gets no event of Api" in ended.stderr


def test_a_port_in_use_is_said(app: Machine, started: Started) -> None:
    ended = app.sst("start", "--stage", "dev", "--", "--port", started.url.rpartition(":")[2])

    assert ended.returncode == 1
    assert "Take another: -- --port 0" in ended.stderr
    assert app.sst("start", "--stage", "dev", "--", "--no").returncode == 2


@pytest.mark.parametrize(
    "template", ["Resources: [", "- a list", "Transform: AWS::Serverless-2016-10-31\nResources: 3"]
)
def test_a_template_that_is_none_is_said(app: Machine, template: str) -> None:
    write(app.folder / "template.yaml", template)
    write(app.folder / "sst.toml", "[sam]\n")

    ended = app.sst("start", "--stage", "dev")

    assert ended.returncode == 2
    assert str(app.folder / "template.yaml") in ended.stderr
    assert "Traceback" not in ended.stderr


def runtimes(started: Started) -> list[int]:
    """The processes that run functions for it."""
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError, IndexError, ValueError):
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == started.process.pid and b"awslambdaric" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


def _is_running(process: int) -> bool:
    with suppress(OSError, IndexError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
